// The options of each store are the settings of its connector, by the tables that the schema is made of.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

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
