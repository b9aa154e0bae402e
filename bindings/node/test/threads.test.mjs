// Workers have stores of their own, and neither a store nor a resolver keeps a process from ending.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import { DotenvSecretStore, EnvSecretStore } from 'modelmesh';

import { gate } from './fixture.mjs';

const run = promisify(execFile);
const PRELUDE = `
  import { BaseSecretStore, MemorySecretStore, SecretResolver } from ${JSON.stringify(import.meta.resolve('modelmesh'))};
  class Hooked extends BaseSecretStore { _resolve(name) { return 'hook ' + name; } }
  class Slow extends BaseSecretStore { _resolve() { return new Promise(() => {}); } }
`;

function worker(t, code) {
  const url = new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads';${PRELUDE}${code}`)}`);
  const started = new Worker(url);
  t.after(() => started.terminate());
  return started;
}

function message(started) {
  const { promise, open, fail } = gate();
  started.once('message', open);
  started.once('error', fail);
  return promise;
}

test('stores work in several workers at once, hooks on their own thread', async (t) => {
  const code = `
    const memory = new MemorySecretStore({ secrets: { a: '1' } });
    memory.set('b', '2');
    parentPort.postMessage([memory.get('a'), await memory.getAsync('b'), new Hooked().get('c'), await new Hooked().getAsync('d')]);
  `;
  const answers = await Promise.all(Array.from({ length: 4 }, () => message(worker(t, code))));
  assert.deepEqual(answers, Array(4).fill(['1', '2', 'hook c', 'hook d']));
});

test('a worker ends while its calls are under way, and the others go on', async (t) => {
  const ended = worker(t, "new Slow().getAsync('a'); new MemorySecretStore().getAsync('b').catch(() => {}); parentPort.postMessage('begun');");
  assert.equal(await message(ended), 'begun');
  await ended.terminate();
  assert.equal(await message(worker(t, "parentPort.postMessage(new Hooked().get('c'));")), 'hook c');
});

test('a process ends when it has nothing else to do', async () => {
  const code = `${PRELUDE}
    const store = new Hooked({ cacheTtlMs: 50, refreshAhead: 0.5 });
    store.get('a');
    await store.getAsync('b');
    const memory = new MemorySecretStore({ secrets: { a: '1' } });
    console.log(store.get('a'), memory.get('a'));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], { timeout: 60_000 });
  assert.equal(stdout, 'hook a 1\n');
});

test('a variable is read as it was when the call was made, for no other thread may look while it is changed', async (t) => {
  t.after(() => delete process.env.MMTEST_CHANGED);
  const stores = [new DotenvSecretStore({ filePath: 'none.env', cacheEnabled: false }), new EnvSecretStore({ cacheEnabled: true })];
  for (const store of stores) {
    for (let round = 0; round < 200; round += 1) {
      store.clearCache();
      process.env.MMTEST_CHANGED = String(round);
      const asked = store.getAsync('MMTEST_CHANGED');
      process.env.MMTEST_CHANGED = 'later';
      assert.equal(await asked, String(round));
    }
  }
});
