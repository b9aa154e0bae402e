// No value is shown by whatever prints an object, or by an error.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';

import * as modelmesh from 'modelmesh';

import { file, folder, thrownBy } from './fixture.mjs';

const CANARY = 'canary-7f3a9c';
const ENCODED = [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 16), Buffer.from(CANARY).toString('hex'), encodeURIComponent(CANARY)];

/** Everything that prints `thing`. */
function shown(thing) {
  const texts = [
    String(thing),
    `${thing}`,
    format('%s %o %O %j', thing, thing, thing, thing),
    inspect(thing, { depth: Infinity, showHidden: true, getters: true }),
    inspect(thing, { depth: Infinity, showHidden: true, customInspect: false }),
    JSON.stringify(thing) ?? '',
    JSON.stringify({ nested: [thing] }),
    Object.entries(thing).join(),
  ];
  if (thing instanceof Error) texts.push(thing.stack, thing.message, JSON.stringify(thing, Object.getOwnPropertyNames(thing)));
  try {
    texts.push(serialize(thing).toString('latin1'));
  } catch (error) {
    texts.push(error.message);
  }
  return texts.join('\n');
}

function assertNothingShown(thing, what) {
  const text = shown(thing);
  for (const encoded of ENCODED) assert.ok(!text.includes(encoded), `${what} shows a value: ${text}`);
}

/** Everything that a call throws or rejects with. */
async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: `it did not fail: ${call}` });
}

class Hooked extends modelmesh.BaseSecretStore {
  _resolve() {
    return CANARY;
  }
}

test('stores show no value and no credential', async (t) => {
  process.env.MMTEST_CANARY = CANARY;
  t.after(() => delete process.env.MMTEST_CANARY);
  const path = folder(t);
  const network = { retry: { tries: 1 } };
  const stores = [
    new modelmesh.MemorySecretStore({ secrets: { key: CANARY } }),
    new modelmesh.EnvSecretStore({ prefix: 'MMTEST_' }),
    new modelmesh.DotenvSecretStore({ filePath: file(t, '.env', `key=${CANARY}`) }),
    new modelmesh.JsonSecretStore({ filePath: file(t, 's.json', `{"key":"${CANARY}"}`) }),
    new modelmesh.FileSecretStore({ filePath: file(t, '.env', `key=${CANARY}`) }),
    new modelmesh.EncryptedFileSecretStore({ filePath: join(path, 'e'), passphrase: CANARY, pbkdf2Iterations: 1 }),
    new modelmesh.AgeFileSecretStore({ path: join(path, 'a'), passphrase: CANARY }),
    new modelmesh.KeyringSecretStore({ serviceName: 'x' }),
    new modelmesh.VaultSecretStore({ address: 'http://127.0.0.1:1', token: CANARY, ...network }),
    new modelmesh.AwsSecretsManagerSecretStore({ region: 'x', accessKeyId: 'a', secretAccessKey: CANARY, endpoint: 'http://127.0.0.1:1', ...network }),
    new modelmesh.GoogleSecretManagerSecretStore({ project: 'p', auth: 'anonymous', endpoint: 'http://127.0.0.1:1', ...network }),
    new modelmesh.AzureKeyVaultSecretStore({ vaultUrl: 'https://127.0.0.1:1', auth: 'client_secret', tenantId: 't', clientId: 'c', clientSecret: CANARY, authorityHost: 'https://127.0.0.1:1', ...network }),
    new modelmesh.OnePasswordConnectSecretStore({ serverUrl: 'http://127.0.0.1:1', vaultId: 'v', token: CANARY, ...network }),
    new modelmesh.KubernetesSecretStore({ serviceAccount: path, ...network }),
    new modelmesh.BaseSecretStore({ secrets: { key: CANARY } }),
    new Hooked(),
  ];
  for (const store of stores) {
    const found = store.find !== undefined && (await store.getAsync('key').catch((error) => error));
    assertNothingShown(store, store.constructor.name);
    if (found instanceof Error) assertNothingShown(found, `an error of ${store.constructor.name}`);
  }
  assert.equal(inspect(stores[0]), 'MemorySecretStore <modelmesh.memory-secrets.v1>');
  assert.equal(JSON.stringify(stores[0]), '{"connector":"modelmesh.memory-secrets.v1"}');
});

test('values show all but themselves', () => {
  const value = new modelmesh.SecretValue(CANARY, { version: '7', expiresAt: new Date(0) });
  assertNothingShown(value, 'a value');
  assert.equal(value.value, CANARY);
  assert.equal(JSON.stringify(value), '{"version":"7","expiresAt":"1970-01-01T00:00:00.000Z"}');
  assert.equal(`${value}`, '[SecretValue]');
});

test('errors show no value, whatever was wrong with it', async (t) => {
  const memory = new modelmesh.MemorySecretStore({ secrets: { key: CANARY } });
  const read = (name, text, options) => new modelmesh.FileSecretStore({ filePath: file(t, name, text), ...options });
  const failures = {
    'half a character': () => memory.set('key', `${CANARY}\ud800`),
    'no string': () => memory.set('key', [CANARY]),
    'an option of another kind': () => new modelmesh.MemorySecretStore({ secrets: CANARY }),
    'an option that is no option': () => new modelmesh.VaultSecretStore({ address: 'x', kvVersion: CANARY }),
    'a symbol': () => new modelmesh.VaultSecretStore({ token: Symbol(CANARY) }),
    'a key that is no key': () => new modelmesh.EncryptedFileSecretStore({ filePath: 'x', encryptionKey: CANARY }),
    'JSON cut short': () => read('s.json', `{"key":"${CANARY}`, { format: 'json' }).get('key'),
    'YAML that is wrong': () => read('s.yaml', `key: [${CANARY}`, { format: 'yaml' }).get('key'),
    'a file that is no dotenv': () => read('.env', `${CANARY}\n`).get('key'),
    'a NUL': () => new modelmesh.DotenvSecretStore({ filePath: join(folder(t), '.env') }).set('KEY', `${CANARY}\0`),
    'a hook that gives a list': () => new (class extends modelmesh.BaseSecretStore { _resolve = () => [CANARY]; })().get('key'),
    'a hook that gives an expiry that is none': () =>
      new (class extends modelmesh.BaseSecretStore { _resolve = () => new modelmesh.SecretValue(CANARY, { expiresAt: new Date(NaN) }); })().get('key'),
    'a configuration that is wrong': () =>
      modelmesh.SecretResolver.fromConfig(file(t, 'm.yaml', `secrets: {store: modelmesh.memory-secrets.v1, secrets: [${CANARY}]}`)),
    'a field of a value': () =>
      modelmesh.SecretResolver.fromConfig(file(t, 'm.yaml', `secrets: {store: modelmesh.memory-secrets.v1, secrets: {key: ${CANARY}}}`)).resolve('${secrets:key#f}'),
  };
  for (const [what, call] of Object.entries(failures)) assertNothingShown(await failure(call), what);
});

test('what is no text is refused as a path of a setting, and not shown', (t) => {
  const path = file(t, 'm.yaml', "secrets: {store: modelmesh.memory-secrets.v1, secrets: {a: x}}\nproviders: {p: {key: '${secrets:a}'}}");
  const error = thrownBy(() => modelmesh.SecretResolver.fromConfig(path).current('p').setting(424242));
  assert.equal(error.name, 'TypeError');
  assertNothingShown(error, 'the error');
  assert.ok(!error.message.includes('424242'));
});

test('a resolver, its generations, watches and outcomes show no value', async (t) => {
  const path = file(t, 'm.yaml', `secrets: {store: modelmesh.memory-secrets.v1, secrets: {key: ${CANARY}}}\nproviders: {p: {key: '\${secrets:key}'}}`);
  const resolver = modelmesh.SecretResolver.fromConfig(path);
  const watch = resolver.watch('key');
  assert.equal(resolver.current('p').setting('key'), CANARY);
  assertNothingShown(resolver, 'the resolver');
  assertNothingShown(resolver.current('p'), 'a generation');
  assert.equal(resolver.current('p').secret('key').value.value, CANARY);
  assertNothingShown(resolver.current('p').secret('key'), 'a secret of a generation');
  assertNothingShown(resolver.get('key'), 'a value');
  assertNothingShown(watch, 'a watch');
  assertNothingShown(resolver.reportAuthFailure('key', 'another'), 'an outcome');
  await watch.return();
});
