// The resolver of a configuration file, with connectors of ours and of the program.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

import { BaseSecretStore, CONNECTOR_REGISTRY, DotenvSecretStore, Generation, registerConnector, SecretResolver, SecretStoreError, SecretValue } from 'modelmesh';

import { file, folder, gate, rewrite, thrownBy, until } from './fixture.mjs';

const MEMORY = 'secrets: {store: modelmesh.memory-secrets.v1, secrets: {a: one, b: two, json: \'{"user":"u"}\'}}\n';

/** A configuration beside a .env file that its secrets are in; `change` writes that file. */
function rotating(t, secrets) {
  const path = folder(t);
  const change = (text) => rewrite(join(path, 'keys.env'), text);
  change(secrets);
  const config = join(path, 'modelmesh.yaml');
  writeFileSync(config, `
secrets: {store: modelmesh.dotenv.v1, path: keys.env, override: true, min_refresh_interval: 1ms}
providers:
  openai: {api_key: '\${secrets:KEY}', url: 'https://api.example.com', keys: ['\${secrets:KEY}']}
`);
  return { config, change };
}

test('texts are resolved, and a configuration is copied, not changed', async (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', MEMORY));
  assert.equal(resolver.resolve('Bearer ${secrets:a}, $${secrets:a} ${HOME}'), 'Bearer one, ${secrets:a} ${HOME}');
  assert.equal(await resolver.resolveAsync('${secrets:json#user}'), 'u');
  const at = new Date(0);
  const config = Object.freeze({
    key: '${secrets:a}',
    list: Object.freeze(['${secrets:b}', 7, null, { deep: '${secrets:a}${secrets:b}' }]),
    '${secrets:a}': true,
    at,
  });
  const before = JSON.stringify(config);
  const resolved = resolver.resolveAll(config);
  assert.deepEqual(resolved, { key: 'one', list: ['two', 7, null, { deep: 'onetwo' }], '${secrets:a}': true, at });
  assert.equal(JSON.stringify(config), before);
  assert.notEqual(resolved.list, config.list);
  assert.equal(resolved.at, at, 'what is neither a list nor a plain object is passed on');
  assert.deepEqual(await resolver.resolveAllAsync(config), resolved);
  const self = [];
  self.push(self);
  assert.throws(() => resolver.resolveAll(self), TypeError);
});

test('items of a list with empty places keep their own, and objects of another realm are as plain as ours', (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', MEMORY));
  assert.deepEqual(resolver.resolveAll([, '${secrets:a}', , 'b']), [undefined, 'one', undefined, 'b']);
  const foreign = runInNewContext("({ key: '${secrets:a}', list: [{ key: '${secrets:b}' }] })");
  assert.deepEqual(resolver.resolveAll(foreign), { key: 'one', list: [{ key: 'two' }] });
});

test('everything that cannot be resolved is told at once', (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', MEMORY));
  const error = thrownBy(() => resolver.resolveAll(['${secrets:x}', '${secrets:a}', '${secrets:y}']));
  assert.ok(error instanceof SecretStoreError);
  assert.equal(error.kind, 'not_found');
  assert.deepEqual(error.errors.map(({ secret }) => secret), ['x', 'y']);
  assert.throws(() => resolver.resolve('${secrets:'), { kind: 'invalid_reference' });
  assert.throws(() => resolver.resolve('${secrets.none:a}'), { kind: 'invalid_config' });
});

test('a reference gives its value with its version; a bare name is one of the default store', async (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', MEMORY));
  const value = resolver.get('a');
  assert.ok(value instanceof SecretValue);
  assert.deepEqual([value.value, value.version], ['one', '1']);
  assert.equal((await resolver.getAsync('${secrets:json#user}')).value, 'u');
  assert.throws(() => resolver.get('x'), { kind: 'not_found' });
});

test('a missing reference is empty where its store says that it may be missing', (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', 'secrets: {store: modelmesh.memory-secrets.v1, fail_on_missing: false}'));
  assert.equal(resolver.resolve('[${secrets:x}]'), '[]');
});

test('what is wrong comes with what to do', (t) => {
  const path = file(t, 'm.yaml', 'secrets: {store: modelmesh.dotenv.v1, file_pth: x}');
  assert.throws(() => SecretResolver.fromConfig(path), { help: "did you mean 'file_path'?" });
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', `${MEMORY}\nproviders: {openai: {url: x}}`));
  assert.throws(() => resolver.current('opnai'), {
    message: "the configuration has no provider 'opnai'",
    help: "did you mean 'openai'?",
  });
});

test('a configuration that is wrong is one error with all that is wrong', async (t) => {
  const path = file(t, 'm.yaml', 'secrets: {store: modelmesh.memory-secrets.v1, wrong: 1}\na: "${secrets:x}"\nb: "${secrets:"');
  const error = thrownBy(() => SecretResolver.fromConfig(path));
  assert.equal(error.kind, 'invalid_config');
  assert.equal(error.errors.length, 2);
  assert.match(error.message, /m\.yaml:1:\d+.*wrong/);
  await assert.rejects(SecretResolver.fromConfigAsync(path), { kind: 'invalid_config' });
  assert.throws(() => SecretResolver.fromConfig(join(folder(t), 'none.yaml')), { kind: 'io' });
});

test('a provider is activated past the cache, and keeps what it has if that fails', async (t) => {
  const { config, change } = rotating(t, 'KEY=first\n');
  const resolver = await SecretResolver.fromConfigAsync(config);
  assert.deepEqual(resolver.providers, ['openai']);
  const first = resolver.current('openai');
  assert.ok(first instanceof Generation);
  assert.deepEqual([first.provider, first.number, first.reason], ['openai', 1, 'init']);
  assert.ok(first.activatedAt instanceof Date && !Number.isNaN(first.activatedAt.getTime()));
  assert.deepEqual(['api_key', 'url', 'keys[0]', 'none'].map((path) => first.setting(path)), ['first', 'https://api.example.com', 'first', undefined]);
  change('KEY=second\n');
  const second = resolver.activate('openai', 'rotation');
  assert.equal(second.setting('api_key'), 'second');
  assert.equal(first.setting('api_key'), 'first', 'a generation never changes');
  change('OTHER=x\n');
  await assert.rejects(resolver.activateAsync('openai'), (error) => error.kind === 'not_found' && error.errors.length > 0);
  assert.throws(() => resolver.reload(), { kind: 'not_found' });
  change('KEY=third\n');
  assert.deepEqual((await resolver.reloadAsync()).map((generation) => generation.setting('api_key')), ['third']);
  assert.throws(() => resolver.activate('none'), { kind: 'invalid_config' });
  assert.throws(() => resolver.activate('openai', 'whim'), { kind: 'invalid_config' });
  assert.throws(() => resolver.current('none'), { kind: 'invalid_config' });
});

test('a value that is refused upstream is replaced by what the store has now', async (t) => {
  const { config, change } = rotating(t, 'KEY=first\n');
  const resolver = SecretResolver.fromConfig(config);
  const before = resolver.current('openai');
  const { version } = resolver.get('KEY');
  change('KEY=second\n');
  const outcome = await resolver.reportAuthFailureAsync('KEY', version);
  assert.equal(outcome.outcome, 'rotated');
  assert.equal(outcome.value.value, 'second');
  const of = resolver.reportAuthFailure(before, 'api_key');
  assert.equal(of.outcome, 'rotated');
  assert.equal(of.generation.setting('api_key'), 'second');
  assert.equal(resolver.reportAuthFailure(of.generation, 'url').outcome, 'unchanged');
});

test('a fallback has no version, and is refused without anything newer to be had', async (t) => {
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', MEMORY));
  const { value, version } = resolver.get('${secrets:none:-x}');
  assert.deepEqual([value, version], ['x', undefined]);
  assert.deepEqual(resolver.reportAuthFailure('${secrets:none:-x}', version), { outcome: 'unchanged' });
  assert.deepEqual(await resolver.reportAuthFailureAsync('a', undefined), { outcome: 'unchanged' });
  assert.throws(() => resolver.reportAuthFailure(7, undefined), TypeError);
  assert.throws(() => resolver.reportAuthFailure('a', 7), TypeError);
});

test('a generation says which secret is in a setting', (t) => {
  const config = `${MEMORY}providers: {p: {key: 'Bearer \${secrets:json#user}', two: '\${secrets:a}\${secrets:b}', url: x}}`;
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', config));
  const generation = resolver.current('p');
  const { reference, value } = generation.secret('key');
  assert.equal(reference, '${secrets:json#user}');
  assert.ok(value instanceof SecretValue);
  assert.deepEqual([value.value, value.version], ['u', resolver.get(reference).version]);
  assert.equal(resolver.reportAuthFailure(reference, value.version).outcome, 'unchanged');
  assert.equal(generation.secret('two').reference, '${secrets:a}');
  assert.equal(generation.secret('url'), undefined);
  assert.equal(generation.secret('none'), undefined);
  assert.throws(() => generation.secret(7), TypeError);
});

test('a watch yields each new version, until it is closed', async (t) => {
  const { config, change } = rotating(t, 'KEY=first\n');
  const resolver = SecretResolver.fromConfig(config);
  const watch = await resolver.watchAsync('KEY');
  const seen = [];
  const watching = (async () => {
    for await (const value of watch) {
      seen.push(value.value);
      if (value.value === 'third') return;
    }
  })();
  change('KEY=second\n');
  await until(() => seen.includes('second'));
  change('KEY=third\n');
  await watching;
  assert.deepEqual(seen, ['second', 'third']);
  assert.deepEqual(await watch.next(), { done: true, value: undefined });

  const other = resolver.watch('KEY');
  const next = other.next();
  await other.return();
  assert.deepEqual(await next, { done: true, value: undefined });
  assert.throws(() => resolver.watch('none'), { kind: 'not_found' });
});

test('what is invalidated is asked for anew', (t) => {
  let calls = 0;
  class Counted extends BaseSecretStore {
    _resolve(name) {
      calls += 1;
      return `${name}-${calls}`;
    }
  }
  registerConnector('test.counted.v1', Counted);
  t.after(() => delete CONNECTOR_REGISTRY['test.counted.v1']);
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', 'secrets: {store: test.counted.v1}'));
  assert.equal(resolver.resolve('${secrets:a} ${secrets:a}'), 'a-1 a-1');
  assert.equal(resolver.resolve('${secrets:a}'), 'a-1');
  resolver.invalidate('a');
  assert.equal(resolver.resolve('${secrets:a}'), 'a-2');
});

test("a class of the program is found by its ID, with the options as the file has them", async (t) => {
  const made = [];
  class Company {
    constructor(options) {
      this.options = options;
      made.push(options);
    }

    get(name) {
      if (name === 'none') throw new SecretStoreError('not_found', 'no such secret');
      return `${this.options.region}/${name}`;
    }
  }
  registerConnector('company.vault.v1', Company);
  t.after(() => delete CONNECTOR_REGISTRY['company.vault.v1']);
  t.after(() => delete process.env.MMTEST_REGION);
  process.env.MMTEST_REGION = 'north';
  const path = file(t, 'm.yaml', `
secrets:
  store: company.vault.v1
  config: {region: '\${env:MMTEST_REGION}', maxItems: 3, nested: {on: true, list: [1.5, null, x]}, __proto__: p}
providers: {p: {key: '\${secrets:a}'}}
`);
  const resolver = SecretResolver.fromConfig(path);
  assert.equal(resolver.current('p').setting('key'), 'north/a');
  assert.deepEqual(JSON.parse(JSON.stringify(made)), JSON.parse('[{"region":"north","maxItems":3,"nested":{"on":true,"list":[1.5,null,"x"]},"__proto__":"p"}]'));
  assert.throws(() => resolver.resolve('${secrets:none}'), { kind: 'not_found' });
  assert.equal((await resolver.activateAsync('p')).setting('key'), 'north/a');
});

/** A hook over a file with one secret. */
class FileHook extends BaseSecretStore {
  _resolve(name) {
    return name === 'KEY' ? readFileSync(this._config.filePath, 'utf8').slice('KEY='.length).trim() : null;
  }
}

for (const [what, base] of Object.entries({ 'a hook': FileHook, 'a connector': DotenvSecretStore })) {
  test(`a class of the program over ${what} that has a 'get' of its own is asked by it, past the cache`, async (t) => {
    const path = join(folder(t), 'keys.env');
    const change = (value) => writeFileSync(path, `KEY=${value}\n`);
    class Own extends base {
      get(name) {
        return `<${super.get(name)}>`;
      }
    }
    class Both extends Own {
      async getAsync(name) {
        return `<<${await super.getAsync(name)}>>`;
      }
    }
    for (const store of [Own, Both]) {
      registerConnector('test.own-get.v1', store);
      t.after(() => delete CONNECTOR_REGISTRY['test.own-get.v1']);
      const later = (value) => (store === Both ? `<<${value}>>` : `<${value}>`);
      change('1');
      const config = `
secrets: {store: test.own-get.v1, min_refresh_interval: 1ms, config: {filePath: ${JSON.stringify(path)}, overrideEnv: true}}
providers: {p: {key: '\${secrets:KEY}'}}
`;
      const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', config));
      assert.equal(resolver.current('p').setting('key'), '<1>');
      change('2');
      assert.deepEqual(resolver.reload().map((generation) => generation.setting('key')), ['<2>']);
      change('3');
      assert.equal((await resolver.activateAsync('p')).setting('key'), later('3'));
      change('4');
      resolver.invalidate('KEY');
      assert.equal(resolver.resolve('${secrets:KEY}'), '<4>');
      change('5');
      const { outcome, value } = await resolver.reportAuthFailureAsync('KEY', resolver.get('KEY').version);
      assert.deepEqual([outcome, value.value], ['rotated', later('5')]);
      assert.throws(() => resolver.get('none'), { kind: 'not_found' });
    }
  });
}

test('hooks are called on their thread while it waits for the engine, and while it does not', async (t) => {
  let value = 'first';
  class Sync extends BaseSecretStore {
    _resolve(name) {
      return name === 'KEY' ? value : null;
    }
  }
  registerConnector('test.sync.v1', Sync);
  t.after(() => delete CONNECTOR_REGISTRY['test.sync.v1']);
  const resolver = SecretResolver.fromConfig(file(t, 'm.yaml', "secrets: {store: test.sync.v1}\nproviders: {p: {key: '${secrets:KEY}'}}"));
  assert.equal(resolver.current('p').setting('key'), 'first');
  value = 'second';
  assert.equal(resolver.activate('p').setting('key'), 'second');
  value = 'third';
  assert.equal((await resolver.activateAsync('p')).setting('key'), 'third');
});

test('an asynchronous hook serves asynchronous calls, and is an error to others', async (t) => {
  const { promise, open } = gate();
  class Async extends BaseSecretStore {
    async _resolve(name) {
      await promise;
      return name;
    }
  }
  registerConnector('test.async.v1', Async);
  t.after(() => delete CONNECTOR_REGISTRY['test.async.v1']);
  const path = file(t, 'm.yaml', "secrets: {store: test.async.v1, retry: {tries: 1}}\nproviders: {p: {key: '${secrets:KEY}'}}");
  assert.throws(() => SecretResolver.fromConfig(path), { kind: 'unsupported' });
  const opening = SecretResolver.fromConfigAsync(path);
  open();
  assert.equal((await opening).current('p').setting('key'), 'KEY');
});

test('what hooks throw while many are asked by the engine is what each caller gets', async (t) => {
  class Throwing extends BaseSecretStore {
    _resolve(name) {
      throw new RangeError(`mine of ${name}`);
    }
  }
  registerConnector('test.throwing.v1', Throwing);
  t.after(() => delete CONNECTOR_REGISTRY['test.throwing.v1']);
  const resolver = await SecretResolver.fromConfigAsync(file(t, 'm.yaml', 'secrets: {store: test.throwing.v1, breaker: {failures: 100000}}'));
  const names = Array.from({ length: 100 }, (_, at) => `key-${at}`);
  const outcomes = await Promise.allSettled(names.map((name) => resolver.getAsync(name)));
  assert.deepEqual(outcomes.map(({ reason }) => reason.message), names.map((name) => `mine of ${name}`));
});

test('what a constructor or a hook of the program throws is what its caller gets', async (t) => {
  const own = new RangeError('mine');
  class Broken {
    constructor({ late }) {
      if (!late) throw own;
    }

    async getAsync() {
      throw own;
    }
  }
  registerConnector('test.broken.v1', Broken);
  t.after(() => delete CONNECTOR_REGISTRY['test.broken.v1']);
  for (const late of [true, false]) {
    const path = file(t, 'm.yaml', `secrets: {store: test.broken.v1, config: {late: ${late}}}`);
    const resolver = await SecretResolver.fromConfigAsync(path);
    await assert.rejects(resolver.getAsync('x'), (error) => error === own);
  }
});
