// What every store does alike, on the stores that need nothing but this machine.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import * as modelmesh from 'modelmesh';

import { file, folder, thrownBy } from './fixture.mjs';

const { SecretStoreError, SecretValue } = modelmesh;
const WRITABLE = {
  MemorySecretStore: () => ({ make: () => new modelmesh.MemorySecretStore() }),
  DotenvSecretStore: (t) => {
    const filePath = join(folder(t), '.env');
    return { make: () => new modelmesh.DotenvSecretStore({ filePath }) };
  },
  EncryptedFileSecretStore: (t) => {
    const filePath = join(folder(t), 'secrets.json');
    return { make: () => new modelmesh.EncryptedFileSecretStore({ filePath, passphrase: 'p', pbkdf2Iterations: 10 }) };
  },
  AgeFileSecretStore: (t) => {
    const path = join(folder(t), 'secrets.age');
    return { make: () => new modelmesh.AgeFileSecretStore({ path, passphrase: 'p', recipients: ['passphrase'], fetchTimeout: '60s' }) };
  },
};

for (const [name, setUp] of Object.entries(WRITABLE)) {
  test(`${name} keeps what is set, lists it sorted, and deletes it once`, async (t) => {
    const store = setUp(t).make();
    store.set('B_KEY', 'two');
    await store.setAsync('A_KEY', 'one = "$x" # \u{1f511}');
    assert.deepEqual(store.list(), ['A_KEY', 'B_KEY']);
    assert.deepEqual(await store.listAsync(), ['A_KEY', 'B_KEY']);
    assert.equal(store.get('A_KEY'), 'one = "$x" # \u{1f511}');
    assert.equal(await store.getAsync('B_KEY'), 'two');
    store.set('B_KEY', 'three');
    assert.equal(store.get('B_KEY'), 'three');
    assert.equal(store.getValue('B_KEY').value, 'three');
    store.delete('B_KEY');
    assert.throws(() => store.get('B_KEY'), { kind: 'not_found', message: 'Secret not found: B_KEY' });
    assert.throws(() => store.delete('B_KEY'), { kind: 'not_found', message: 'Secret not found: B_KEY' });
    await assert.rejects(store.deleteAsync('B_KEY'), { kind: 'not_found' });
    assert.deepEqual(store.list(), ['A_KEY']);
  });

  test(`${name} tells a missing secret from all else`, async (t) => {
    const store = setUp(t).make();
    const error = thrownBy(() => store.get('nope'));
    assert.ok(error instanceof SecretStoreError && error instanceof Error);
    assert.deepEqual([error.name, error.kind, error.secret, error.message], ['SecretStoreError', 'not_found', 'nope', 'Secret not found: nope']);
    await assert.rejects(store.getAsync('nope'), { message: 'Secret not found: nope' });
    await assert.rejects(store.preload(['nope']), { kind: 'not_found' });
    assert.equal(store.find('nope'), undefined);
    assert.equal(await store.findAsync('nope'), undefined);
    assert.throws(() => store.get('../nope'), { kind: 'invalid_name' });
    assert.throws(() => store.get(7), TypeError);
  });
}

for (const name of ['DotenvSecretStore', 'EncryptedFileSecretStore', 'AgeFileSecretStore']) {
  test(`${name} writes at once what another store of the same file reads`, (t) => {
    const { make } = WRITABLE[name](t);
    make().set('KEY', 'value');
    assert.equal(make().get('KEY'), 'value');
  });
}

test('an expiry is kept with its value', (t) => {
  const store = new modelmesh.MemorySecretStore();
  const expiresAt = new Date(Date.now() + 3_600_000);
  store.set('key', new SecretValue('v', { expiresAt }));
  assert.deepEqual(store.getValue('key').expiresAt, expiresAt);
  assert.equal(store.getValue('key').value, 'v');
});

test('with failOnMissing false, a missing secret is empty, and an outage is still an error', async (t) => {
  const memory = new modelmesh.MemorySecretStore({ failOnMissing: false });
  assert.equal(memory.get('nope'), '');
  assert.equal(await memory.getAsync('nope'), '');
  assert.equal(memory.find('nope'), undefined);
  assert.throws(() => memory.getValue('nope'), { kind: 'not_found' });
  const locked = file(t, 'secrets.json', '{"version":1,"algorithm":"aes-256-gcm","salt":"AAAAAAAAAAAAAAAAAAAAAA==","data":"' + 'A'.repeat(64) + '"}');
  const store = new modelmesh.EncryptedFileSecretStore({ filePath: locked, passphrase: 'x', pbkdf2Iterations: 1, failOnMissing: false });
  assert.throws(() => store.get('key'), { kind: 'locked' });
});

test('the environment is read when asked, by the exact name or its spelling as a variable', (t) => {
  const store = new modelmesh.EnvSecretStore({ prefix: 'MMTEST_' });
  t.after(() => delete process.env.MMTEST_OPENAI_KEY);
  process.env.MMTEST_OPENAI_KEY = 'one';
  assert.equal(store.get('OPENAI_KEY'), 'one');
  assert.equal(store.get('OPENAI_KEY'), 'one');
  process.env.MMTEST_OPENAI_KEY = 'two';
  assert.equal(store.get('OPENAI_KEY'), 'two');
  assert.equal(new modelmesh.EnvSecretStore().get('mmtest-openai-key'), 'two');
});

test('files of every format are read', async (t) => {
  const read = (name, text, options = {}) => new modelmesh.FileSecretStore({ filePath: file(t, name, text), ...options });
  assert.equal(read('.env', "export A='x y' # c").get('A'), 'x y');
  assert.equal(read('s.json', '{"a":{"b":"j"}}', { format: 'json' }).get('a.b'), 'j');
  assert.equal(read('s.yaml', 'a: {b: y}', { format: 'yaml' }).get('a.b'), 'y');
  assert.equal(read('s.toml', '[a]\nb = "t"', { format: 'toml' }).get('a.b'), 't');
  assert.equal(new modelmesh.JsonSecretStore({ filePath: file(t, 's.json', '{"x":{"a":"1"}}'), jsonPath: 'x' }).get('a'), '1');
  assert.throws(() => read('s.json', '{', { format: 'json' }).get('a'), { kind: 'malformed' });
  assert.throws(() => new modelmesh.FileSecretStore({ filePath: join(folder(t), 'gone.json'), format: 'json' }).get('a'), { kind: 'io' });
});

test('options that do not fit are told when the store is made', () => {
  assert.throws(() => new modelmesh.MemorySecretStore({ cacheTtl: 5, nonsense: 1 }), { kind: 'invalid_config', message: /nonsense/ });
  assert.throws(() => new modelmesh.EncryptedFileSecretStore({}), { kind: 'invalid_config' });
  assert.throws(() => new modelmesh.VaultSecretStore({ address: 'https://v', kvVersion: 3 }), { kind: 'invalid_config' });
  assert.throws(() => new modelmesh.AzureKeyVaultSecretStore({ vaultUrl: 'https://v', auth: () => {} }), TypeError);
  const noOptions = { name: 'TypeError', message: 'the options of a store must be an object' };
  for (const options of [undefined, 'secrets.json']) assert.throws(() => new modelmesh.JsonSecretStore(options), noOptions);
});

test('a value or name that is no Unicode is refused, not changed', () => {
  const store = new modelmesh.MemorySecretStore();
  assert.throws(() => store.set('key', 'a\ud800b'), { kind: 'unsupported' });
  assert.throws(() => store.get('a\ud800b'), { kind: 'unsupported' });
  assert.throws(() => store.set('key', 7), TypeError);
});

test('save of an encrypted file changes nothing', (t) => {
  const filePath = join(folder(t), 'secrets.json');
  const store = new modelmesh.EncryptedFileSecretStore({ filePath, encryptionKey: '0'.repeat(64) });
  store.save();
  assert.ok(!existsSync(filePath));
  store.set('key', 'value');
  store.save();
  assert.equal(store.get('key'), 'value');
});

test('many secrets are fetched in one go', async () => {
  const store = new modelmesh.MemorySecretStore({ secrets: { a: '1', b: '2' } });
  await assert.rejects(store.preload('ab'), TypeError);
  await store.preload(new Set(['a', 'b']));
  assert.deepEqual(['a', 'b'].map((name) => store.get(name)), ['1', '2']);
  await assert.rejects(store.preload(['a', 'x', 'y']), (error) => {
    assert.deepEqual(error.errors.map((part) => part.secret), ['x', 'y']);
    return error.kind === 'not_found';
  });
});

test('every connector is in the registry by its ID, and nothing else is', () => {
  const classes = Object.values(modelmesh.CONNECTOR_REGISTRY);
  assert.equal(classes.length, 13);
  for (const [id, store] of Object.entries(modelmesh.CONNECTOR_REGISTRY)) assert.equal(store.CONNECTOR_ID, id);
  assert.equal(modelmesh.CONNECTOR_REGISTRY.constructor, undefined);
  assert.equal(modelmesh.CONNECTOR_REGISTRY['modelmesh.memory-secrets.v1'], modelmesh.MemorySecretStore);
  assert.throws(() => modelmesh.registerConnector('', class {}), TypeError);
  assert.throws(() => modelmesh.registerConnector('x', 'class'), TypeError);
});
