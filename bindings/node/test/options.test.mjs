// The options of each store are the settings of its connector, by the tables that the schema is made of.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { EncryptedFileSecretStore, EnvSecretStore, MemorySecretStore } from 'modelmesh';

const folder = new URL('../dist/', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('../../../docs/modelmesh.schema.json', import.meta.url), 'utf8'));

function snakeCase(key) {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The options that an interface declares. */
function declared(text, name) {
  const body = new RegExp(`interface ${name} [^{]*\\{([^]*?)\\n\\}`).exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, key]) => key);
}

const config = readFileSync(new URL('config.d.ts', folder), 'utf8');
const common = declared(config, 'NamingOptions');
const network = declared(config, 'NetworkOptions');
const stores = readdirSync(new URL('stores/', folder)).filter((name) => name.endsWith('.d.ts') && name !== 'index.d.ts');

/** The settings of a connector: each with its spellings. */
function settings(id) {
  const { then } = schema.$defs.entry.allOf.find((entry) => JSON.stringify(entry.if).includes(`"${id}"`));
  const spellings = new Map();
  for (const [key, { description }] of Object.entries(then.properties)) {
    if (key !== 'config') spellings.set(description, [...(spellings.get(description) ?? []), key]);
  }
  return [...spellings.values()];
}

test('there is a declaration for each connector of the schema but that of files', () => {
  assert.equal(stores.length, schema.$defs.entry.allOf.filter((entry) => JSON.stringify(entry.if).includes('.v1')).length);
});

for (const name of stores) {
  const text = readFileSync(new URL(`stores/${name}`, folder), 'utf8');
  const [, id] = /Connector ID: `([^`]+)`/.exec(text);
  test(`${name} has the settings of ${id}, and no others`, () => {
    const own = declared(text, '\\w+Config');
    const options = [...own, ...common, ...(text.includes('NetworkOptions') ? network : [])].map(snakeCase);
    const known = settings(id);
    // 'format' is what FileSecretStore has beside JsonSecretStore.
    const wanted = known.filter((spellings) => !(id === 'modelmesh.json-secrets.v1' && spellings.includes('format')));
    assert.deepEqual(options.filter((key) => !known.flat().includes(key)), [], 'options that are no settings');
    assert.deepEqual(wanted.filter((spellings) => !spellings.some((key) => options.includes(key))), [], 'settings without an option');
  });
}

test('the resolution options are the parameters of resolution, but for those of a whole configuration', () => {
  const options = declared(config, 'ResolutionOptions').map(snakeCase);
  const parameters = Object.keys(schema.$defs.resolution.properties);
  const ofConfigurations = ['cache_ttl', 'reload_on_rotation', 'init_timeout', 'on_init_outage'];
  assert.deepEqual([...options, ...ofConfigurations].sort(), parameters.sort());
});

for (const [what, secrets] of Object.entries({ 'a Map': new Map([['a', '1']]), 'a Set': new Set(['a']), 'a Date': new Date() })) {
  test(`${what} is no mapping of settings`, () => {
    assert.throws(() => new MemorySecretStore({ secrets }), { name: 'TypeError', message: /'secrets'/ });
  });
}

test('what is no object is not taken for options', () => {
  const error = { name: 'TypeError', message: 'the options of a store must be an object' };
  for (const options of [null, 7, 'canary', [], new Map()]) assert.throws(() => new MemorySecretStore(options), error);
  assert.throws(() => new EncryptedFileSecretStore(), error);
});

test('an object of another kind may be a mapping of settings', () => {
  class Secrets {
    a = '1';
  }
  for (const secrets of [new Secrets(), Object.assign(Object.create(null), { a: '1' }), Object.freeze({ a: '1' })]) {
    assert.equal(new MemorySecretStore({ secrets }).get('a'), '1');
  }
});

test('a text that is not Unicode is refused as an option, not changed', () => {
  for (const options of [{ secrets: { a: '\ud800' } }, { secrets: { '\ud800': 'a' } }, { prefix: '\udfff' }]) {
    assert.throws(() => new MemorySecretStore(options), { kind: 'unsupported' });
  }
});

test('an empty place in a list of settings is told by its name', () => {
  assert.throws(() => new MemorySecretStore({ secrets: [, 'a'] }), { name: 'TypeError', message: /'secrets'/ });
});

test('an option that is undefined is its default', (t) => {
  t.after(() => delete process.env.MMTEST_CHANGED);
  const store = new EnvSecretStore({ cacheEnabled: undefined });
  for (const value of ['1', '2']) {
    process.env.MMTEST_CHANGED = value;
    assert.equal(store.get('MMTEST_CHANGED'), value);
  }
});
