// Copies of values are dropped as soon as the engine would serve something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BaseSecretStore, DotenvSecretStore, MemorySecretStore } from 'modelmesh';

import { file, rewrite, until } from './fixture.mjs';

/** Reads until a copy is what is read. */
function warm(store, name) {
  for (let call = 0; call < 4; call += 1) store.get(name);
  return store.get(name);
}

test('a write, a deletion and a cleared cache are seen by the next call', () => {
  const store = new MemorySecretStore({ secrets: { key: '1', other: 'o' } });
  assert.equal(warm(store, 'key'), '1');
  store.set('key', '2');
  assert.equal(store.get('key'), '2');
  assert.equal(warm(store, 'key'), '2');
  store.delete('key');
  assert.throws(() => store.get('key'), { kind: 'not_found' });
  assert.equal(warm(store, 'other'), 'o');
});

test('a write of another caller is seen once it is acknowledged', async () => {
  const store = new MemorySecretStore({ secrets: { key: '1' } });
  warm(store, 'key');
  await store.setAsync('key', '2');
  assert.equal(store.get('key'), '2');
});

test('a name that is invalidated is asked for anew, and so is everything after clearCache', () => {
  let calls = 0;
  class Counted extends BaseSecretStore {
    _resolve(name) {
      calls += 1;
      return `${name}${calls}`;
    }
  }
  const store = new Counted();
  assert.equal(warm(store, 'a'), 'a1');
  store.invalidate('a');
  assert.equal(warm(store, 'a'), 'a2');
  store.clearCache();
  assert.equal(warm(store, 'a'), 'a3');
});

test('a change of the file from outside is noticed', async (t) => {
  const filePath = file(t, '.env', 'KEY=1\n');
  const store = new DotenvSecretStore({ filePath });
  assert.equal(warm(store, 'KEY'), '1');
  rewrite(filePath, 'KEY=second\n');
  await until(() => warm(store, 'KEY') === 'second');
});

test('a value is not served past its own expiry', async () => {
  const { SecretValue } = await import('modelmesh');
  class Brief extends BaseSecretStore {
    count = 0;
    _resolve() {
      this.count += 1;
      return new SecretValue(`${this.count}`, { expiresAt: new Date(Date.now() + 50) });
    }
  }
  const store = new Brief();
  // On a slow machine, one or the other ends while it is being read.
  let value;
  await until(() => {
    value = store.get('key');
    return warm(store, 'key') === value;
  });
  await until(() => store.get('key') !== value);
});
