// Stores whose '_resolve' is JavaScript: who calls it, how often, and what becomes of what it throws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

import { BaseSecretStore, MemorySecretStore, SecretStoreError, SecretValue } from 'modelmesh';

import { gate, LONG_MS, thrownBy, until } from './fixture.mjs';

// A value is refreshed 300 ms after it came, if it was read by then, and is there for a minute.
const REFRESHED_SOON = { cacheTtlMs: 60_000, refreshAhead: 0.005 };

/** A store over a function, that counts its calls. */
class Hooked extends BaseSecretStore {
  calls = [];

  constructor(resolve, config) {
    super(config);
    this.resolve = resolve;
  }

  _resolve(name) {
    this.calls.push(name);
    return this.resolve(name, this);
  }
}

test('a hook is called once, and its value served from then on', async () => {
  const store = new Hooked((name) => `<${name}>`);
  for (let call = 0; call < 4; call += 1) assert.equal(store.get('key'), '<key>');
  assert.equal(await store.getAsync('key'), '<key>');
  assert.equal(store.find('key'), '<key>');
  assert.deepEqual(store.calls, ['key']);
});

test('what a hook says is missing is asked again each time', () => {
  const secrets = {};
  const store = new Hooked((name) => secrets[name]);
  assert.throws(() => store.get('late'), { message: 'Secret not found: late' });
  secrets.late = 'here';
  assert.equal(store.get('late'), 'here');
});

test("the program's own object of secrets stays live", () => {
  const secrets = { a: '1' };
  const store = new BaseSecretStore({ secrets });
  assert.equal(store.get('a'), '1');
  assert.throws(() => store.get('b'), { kind: 'not_found' });
  secrets.b = '2';
  assert.equal(store.get('b'), '2');
  secrets.a = 'changed';
  assert.equal(store.get('a'), '1', 'as long as it is cached');
  store.clearCache();
  assert.equal(store.get('a'), 'changed');
});

test('an asynchronous hook says what is missing, too', async () => {
  const strict = new Hooked(async () => null);
  const missing = { name: 'SecretStoreError', kind: 'not_found', message: 'Secret not found: x', secret: 'x' };
  await assert.rejects(strict.getAsync('x'), missing);
  await assert.rejects(strict.getValueAsync('x'), missing);
  await assert.rejects(strict.preload(['x']), missing);
  await assert.rejects(strict.preload(['x', 'y']), ({ kind, errors }) => kind === 'not_found' && errors.length === 2);
  assert.equal(await strict.findAsync('x'), undefined);
  const lenient = new Hooked(async () => undefined, { failOnMissing: false });
  assert.deepEqual(await Promise.all([lenient.getAsync('x'), lenient.getAsync('x')]), ['', '']);
});

test('a hook may give a value with its version and expiry', () => {
  const expiresAt = new Date(Date.now() + 60_000);
  const store = new Hooked(() => new SecretValue('v', { version: '7', expiresAt }));
  const value = store.getValue('key');
  assert.deepEqual([value.value, value.version, value.expiresAt], ['v', '7', expiresAt]);
});

test('what a hook gives that is no text is an error that does not show it', () => {
  const store = new Hooked(() => 424242);
  const error = thrownBy(() => store.get('key'));
  assert.ok(error instanceof TypeError);
  assert.ok(!`${error.stack}`.includes('424242'));
});

test('an answer that throws when it is looked at, or is dated by what is no date, is an error to everyone', async () => {
  const answers = [
    { get then() { throw new Error('looked at'); } },
    { then() { throw new Error('called'); } },
    new SecretValue('v', { expiresAt: { getTime: () => 'never' } }),
  ];
  for (const answer of answers) {
    const store = new Hooked(() => answer);
    await assert.rejects(store.getAsync('key'));
    assert.throws(() => store.get('key'));
    await assert.rejects(store.getAsync('key'));
    assert.ok(store.calls.length >= 2, 'it is asked again');
  }
});

test('callers who wait at the same time share one call of an asynchronous hook', async () => {
  const { promise, open } = gate();
  const store = new Hooked(() => promise);
  const answers = Array.from({ length: 8 }, () => store.getAsync('key'));
  open('v');
  assert.deepEqual(await Promise.all(answers), Array(8).fill('v'));
  assert.deepEqual(store.calls, ['key']);
  assert.equal(store.get('key'), 'v', 'a synchronous call finds it');
});

test("a synchronous call does not wait for a promise, and those who can wait have it", async () => {
  const { promise, open } = gate();
  const store = new Hooked(() => promise);
  assert.throws(() => store.get('key'), { kind: 'unsupported' });
  const waiting = store.getAsync('key');
  open('v');
  assert.equal(await waiting, 'v');
  assert.deepEqual(store.calls, ['key']);
});

test('preload fetches side by side, and tells what is missing', async () => {
  const store = new Hooked(async (name) => (name === 'none' ? null : name));
  await store.preload(['a', 'b']);
  assert.equal(store.get('a') + store.get('b'), 'ab');
  await assert.rejects(store.preload(['a', 'none']), { kind: 'not_found', secret: 'none' });
});

for (const [form, call] of Object.entries({
  synchronous: (store, name) => new Promise((resolve) => resolve(store.get(name))),
  asynchronous: (store, name) => store.getAsync(name),
})) {
  test(`an exception passes through a ${form} call unchanged`, async () => {
    class Own extends RangeError {}
    const own = new Own('mine');
    const store = new Hooked(() => {
      throw own;
    });
    await assert.rejects(call(store, 'key'), (error) => error === own);
    const odd = new Hooked(() => {
      throw null;
    });
    await assert.rejects(call(odd, 'key'), (error) => error === null);
  });

  test(`a hook that asks its store for the same name in a ${form} call is an error`, async () => {
    const again = new Hooked((name, store) => store.get(name));
    await assert.rejects(call(again, 'key'), { kind: 'invalid_config' });
    const round = new Hooked((name, store) => store.get(name === 'a' ? 'b' : 'a'));
    await assert.rejects(call(round, 'a'), { kind: 'invalid_config' });
    const other = new Hooked((name, store) => (name === 'a' ? store.get('b') : 'v'));
    assert.equal(await call(other, 'a'), 'v', 'another name is no harm');
  });
}

test('all who waited get the very exception', async () => {
  const own = new Error('mine');
  const { promise, fail } = gate();
  const store = new Hooked(() => promise);
  const answers = [store.getAsync('key'), store.getAsync('key'), store.findAsync('key')];
  fail(own);
  for (const outcome of await Promise.allSettled(answers)) assert.equal(outcome.reason, own);
});

test('each of many callers gets the exception of its own name', async () => {
  const store = new Hooked(async (name) => {
    throw new Error(`mine of ${name}`);
  });
  const names = Array.from({ length: 200 }, (_, at) => `key-${at}`);
  const outcomes = await Promise.allSettled(names.map((name) => store.getAsync(name)));
  assert.deepEqual(outcomes.map(({ reason }) => reason.message), names.map((name) => `mine of ${name}`));
});

test('an asynchronous hook that waits for itself is an error, however many steps it takes', async () => {
  const self = new Hooked(async (name, store) => await store.getAsync(name));
  await assert.rejects(self.getAsync('key'), { kind: 'invalid_config' });

  const a = new Hooked(async (name) => await b.getAsync(name));
  const b = new Hooked(async (name) => await a.getAsync(name));
  await assert.rejects(a.getAsync('key'), { kind: 'invalid_config' });

  // Two who started apart, and then wait for each other.
  const { promise: both, open } = gate();
  const crossed = new Hooked(async (name, store) => {
    if (store.calls.length === 2) open();
    await both;
    return await store.getAsync(name === 'a' ? 'b' : 'a');
  });
  const outcomes = await Promise.allSettled([crossed.getAsync('a'), crossed.getAsync('b')]);
  assert.ok(outcomes.some(({ reason }) => reason?.kind === 'invalid_config'));
  assert.ok(outcomes.every(({ status }) => status === 'rejected'));
});

test('a synchronous call does not wait for an asynchronous one of this thread', async () => {
  const { promise, open } = gate();
  const store = new Hooked(() => promise);
  const waiting = store.getAsync('key');
  assert.throws(() => store.get('key'), { kind: 'invalid_config' });
  open('v');
  assert.equal(await waiting, 'v');
  assert.equal(store.get('key'), 'v');
});

test('an asynchronous hook that never answers is an outage in the end', async () => {
  const store = new Hooked(() => new Promise(() => {}), { fetchTimeout: '20ms' });
  await assert.rejects(store.getAsync('key'), { kind: 'unavailable' });
});

test('while the backend cannot be reached, the last good value is served; any other failure ends that', async () => {
  const outage = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' });
  let answer = () => 'good';
  const store = new Hooked(() => answer(), { cacheTtlMs: 1 });
  assert.equal(store.get('key'), 'good');
  answer = () => {
    throw outage;
  };
  await until(() => {
    store.get('key');
    return store.calls.length > 1;
  });
  assert.equal(store.get('key'), 'good');
  assert.equal(await store.getAsync('key'), 'good');
  const bug = new TypeError('a bug');
  answer = () => {
    throw bug;
  };
  await until(() => {
    try {
      return store.get('key') === undefined;
    } catch (error) {
      return error === bug;
    }
  });
});

test("an outage is one in a test runner's sandbox, too, where errors are those of another realm", async () => {
  let answer = () => 'good';
  const store = new Hooked(() => answer(), { cacheTtlMs: 1 });
  assert.equal(store.get('key'), 'good');
  const outage = runInNewContext("new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) })");
  answer = () => {
    throw outage;
  };
  await until(() => store.get('key') !== 'good' || store.calls.length > 1);
  assert.equal(store.get('key'), 'good');
});

test('what throws when it is looked at may be thrown, like anything else', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const thrown = [
    proxy,
    Object.defineProperty(new Error('mine'), 'code', { get: () => { throw new Error('looked at'); } }),
    new SecretStoreError(7, 'no kind'),
    Symbol('s'),
    undefined,
  ];
  for (const own of thrown) {
    const store = new Hooked(() => {
      throw own;
    });
    for (let call = 0; call < 2; call += 1) {
      const [outcome] = await Promise.allSettled([store.getAsync('key')]);
      assert.ok(outcome.reason === own);
      assert.ok(thrownBy(() => store.get('key')) === own);
    }
  }
});

test('an outage without a value to serve is the exception itself, never empty', () => {
  const outage = Object.assign(new Error('down'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
  const store = new Hooked(
    () => {
      throw outage;
    },
    { failOnMissing: false },
  );
  assert.equal(thrownBy(() => store.get('key')), outage);
  assert.equal(thrownBy(() => store.find('key')), outage);
});

test("a hook may say 'not found' by an error of that kind", () => {
  const missing = new SecretStoreError('not_found', 'nope');
  const hook = () => {
    throw missing;
  };
  assert.equal(new Hooked(hook, { failOnMissing: false }).get('key'), '');
  assert.equal(new Hooked(hook).find('key'), undefined);
  assert.equal(thrownBy(() => new Hooked(hook).get('key')), missing);
});

test('a store without a cache calls its hook each time', () => {
  const store = new Hooked((name) => name, { cacheEnabled: false });
  store.get('key');
  store.get('key');
  assert.equal(store.calls.length, 2);
});

test('a value is fetched anew when its TTL is over', async () => {
  let value = 1;
  const store = new Hooked(() => `${value}`, { cacheTtlMs: 1 });
  assert.equal(store.get('key'), '1');
  value = 2;
  await until(() => store.get('key') === '2');
});

test('an asynchronous refresh that meets a blocked thread costs no value', async () => {
  const store = new Hooked(async () => 'v', REFRESHED_SOON);
  const busy = new MemorySecretStore();
  await store.getAsync('key');
  const end = Date.now() + LONG_MS;
  while (store.calls.length === 1 && Date.now() < end) {
    busy.set('a', 'b');
    store.get('key');
  }
  assert.equal(store.calls.length, 2, 'the hook was called from a synchronous call');
  assert.equal(store.get('key'), 'v');
});

/** A store over an asynchronous hook, whose value is cached and just being refreshed by the engine. */
async function refreshing() {
  const { promise: refreshed, open } = gate();
  const store = new Hooked(async (_, { calls }) => (calls.length === 2 ? await refreshed : `v${calls.length}`), REFRESHED_SOON);
  await store.getAsync('key');
  await until(() => {
    store.get('key');
    return store.calls.length === 2;
  });
  return { store, open };
}

test('a value that is cached is read with its version while it is refreshed', async () => {
  const { store, open } = await refreshing();
  assert.equal(store.getValue('key').value, 'v1');
  assert.equal((await store.getValueAsync('key')).value, 'v1');
  open('v2');
});

test('after the cache was cleared during a refresh, the next reader calls the hook', async () => {
  const { store, open } = await refreshing();
  store.clearCache();
  assert.equal(await store.getAsync('key'), 'v3');
  open('late');
});

for (const forget of ['clearCache', 'invalidate']) {
  test(`who reads after '${forget}' does not get what was asked for before`, async () => {
    const gates = [gate(), gate()];
    const store = new Hooked((_, { calls }) => gates[calls.length - 1].promise);
    const before = store.getAsync('key');
    await until(() => store.calls.length === 1);
    store[forget]('key');
    const after = store.getAsync('key');
    gates[0].open('old');
    gates[1].open('new');
    assert.deepEqual(await Promise.all([before, after]), ['old', 'new']);
    assert.equal(store.get('key'), 'new');
  });
}

test('a time for fetches that no timer can take is a long one', async () => {
  const { promise, open } = gate();
  const store = new Hooked(() => promise, { fetchTimeout: '30d' });
  const waiting = store.getAsync('key');
  setTimeout(open, 20, 'v');
  assert.equal(await waiting, 'v');
});

test('a subclass of a connector may put its own rule before it', () => {
  class Prefixed extends MemorySecretStore {
    _resolve(name) {
      return super._resolve(`team-${name}`);
    }
  }
  const store = new Prefixed({ secrets: { 'team-a': '1' } });
  assert.equal(store.get('a'), '1');
  assert.throws(() => store.get('team-a'), { message: 'Secret not found: team-a' });
  store.set('team-b', '2');
  assert.equal(store.get('b'), '2');
  store.set('team-b', '3');
  assert.equal(store.get('b'), '3', 'a write is seen, whatever name it is read by');
});

test("a hook that is an own property of its store is called", () => {
  class Own extends BaseSecretStore {
    _resolve = (name) => `own ${name}`;
  }
  assert.equal(new Own().get('a'), 'own a');
});

test('a store that nothing refers to any more is collected, with its engine', async () => {
  const held = new WeakRef(new Hooked((name) => name));
  held.deref()?.get('key');
  await until(() => {
    globalThis.gc();
    return held.deref() === undefined;
  });
});
