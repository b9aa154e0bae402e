// Names that mean something to JavaScript's own objects are names like any other.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { BaseSecretStore, DotenvSecretStore, MemorySecretStore, SecretResolver } from 'modelmesh';

import { file, folder } from './fixture.mjs';

const SPECIAL = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', 'then', 'toJSON'];

for (const name of SPECIAL) {
  test(`'${name}' is missing until it is set`, (t) => {
    const stores = [
      new MemorySecretStore(),
      new DotenvSecretStore({ filePath: join(folder(t), '.env'), overrideEnv: true }),
    ];
    for (const store of stores) {
      assert.throws(() => store.get(name), { message: `Secret not found: ${name}` });
      assert.equal(store.find(name), undefined);
      store.set(name, 'value');
      assert.equal(store.get(name), 'value');
      assert.equal(store.get(name), 'value');
      assert.deepEqual(store.list(), [name]);
      store.delete(name);
      assert.throws(() => store.get(name), { kind: 'not_found' });
    }
    assert.equal({}.value, undefined, 'no prototype was changed');
  });

  test(`'${name}' is looked up among a program's secrets as it was given`, () => {
    assert.throws(() => new BaseSecretStore({ secrets: {} }).get(name), { message: `Secret not found: ${name}` });
    const secrets = JSON.parse(`{"${name}":"value"}`);
    assert.equal(new BaseSecretStore({ secrets }).get(name), 'value');
    assert.equal(new MemorySecretStore({ secrets }).get(name), 'value');
  });
}

test("a key '__proto__' of a configuration stays a key", (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', 'secrets: {store: modelmesh.memory-secrets.v1, secrets: {a: x}}'));
  const resolved = resolver.resolveAll(JSON.parse('{"__proto__":{"admin":"${secrets:a}"}}'));
  assert.deepEqual(Object.keys(resolved), ['__proto__']);
  assert.equal(Object.getPrototypeOf(resolved), Object.prototype);
  assert.equal(resolved.admin, undefined);
});
