// BrowserSecretStore in a real Chromium: that of the variable CHROMIUM, or Debian's 'chromium-headless-shell' or 'chromium'.
import assert from 'node:assert/strict';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

const dist = new URL('../../dist/browser/', import.meta.url);
const cases = JSON.parse(readFileSync(new URL('../../../../conformance/references.json', import.meta.url), 'utf8'));
let browser;
let origin;
let server;

function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const candidates = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].flatMap((name) =>
    process.env.PATH.split(delimiter).map((folder) => join(folder, name)),
  );
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error("there is no Chromium: install Debian's 'chromium-headless-shell', or set CHROMIUM");
  return found;
}

before(async () => {
  server = createServer(({ url }, response) => {
    // A sandboxed page has no origin of its own, and asks as a stranger.
    response.setHeader('access-control-allow-origin', '*');
    if (url === '/' || url === '/sandboxed') {
      response.setHeader('content-type', 'text/html');
      if (url === '/sandboxed') response.setHeader('content-security-policy', 'sandbox allow-scripts');
      response.end('<!doctype html><title>test</title>');
      return;
    }
    try {
      response.setHeader('content-type', 'text/javascript');
      response.end(readFileSync(new URL(`.${url}`, dist)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}/`;
  // The first start of a machine reads all of it from disk. What takes too long ends with the time of the tests.
  browser = await chromium.launch({ executablePath: executable(), args: ['--no-sandbox'], timeout: 0 });
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** Runs a function in a page of its own, with the entry of the package. */
async function inPage(t, task, path = '') {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(origin + path);
  const result = await page.evaluate(`(async () => (${task})(await import('/browser.js')))()`);
  return { result, page, asked };
}

test('the entry loads nothing but itself, the errors, and what judges texts', async (t) => {
  const { result, asked } = await inPage(t, (entry) => Object.keys(entry).sort());
  assert.deepEqual(result, ['BrowserSecretStore', 'SecretStoreError']);
  assert.deepEqual(asked.filter((path) => path !== '/favicon.ico'), ['/', '/browser.js', '/errors.js', '/text.js']);
});

test('what is set is kept under the prefix, listed sorted, and deleted once', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore, SecretStoreError }) => {
    localStorage.setItem('unrelated', 'x');
    localStorage.setItem('modelmesh-secret:', 'no name');
    const store = new BrowserSecretStore();
    store.set('b', '2');
    store.set('a', 'one \u{1f511}\0');
    const before = [store.get('a'), store.get('b'), store.list(), localStorage.getItem('modelmesh-secret:a')];
    store.set('b', '3');
    store.delete('a');
    const errors = [() => store.get('a'), () => store.delete('a')].map((call) => {
      try {
        return call();
      } catch (error) {
        return [error instanceof SecretStoreError, error instanceof Error, error.kind, error.message];
      }
    });
    return [before, store.get('b'), store.find('a') === undefined, errors, localStorage.getItem('unrelated')];
  });
  const missing = [true, true, 'not_found', 'Secret not found: a'];
  assert.deepEqual(result, [['one \u{1f511}\0', '2', ['a', 'b'], 'one \u{1f511}\0'], '3', true, [missing, missing], 'x']);
});

test('secrets are there after the page is loaded again, and apart under another prefix', async (t) => {
  const { page } = await inPage(t, ({ BrowserSecretStore }) => new BrowserSecretStore().set('a', '1'));
  await page.reload();
  const again = await page.evaluate(`import('/browser.js').then(({ BrowserSecretStore }) => [
    new BrowserSecretStore().get('a'),
    new BrowserSecretStore({ prefix: 'other:' }).list(),
    new BrowserSecretStore({ prefix: 'other:', failOnMissing: false }).get('a'),
  ])`);
  assert.deepEqual(again, ['1', [], '']);
});

test('names that mean something to objects and to storage are names like any other', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore();
    const names = ['__proto__', 'constructor', 'getItem', 'key', 'length', 'toString'];
    const before = names.map((name) => store.find(name) === undefined);
    for (const name of names) store.set(name, `<${name}>`);
    return [before.every(Boolean), names.every((name) => store.get(name) === `<${name}>`), store.list(), localStorage.length];
  });
  assert.deepEqual(result, [true, true, ['__proto__', 'constructor', 'getItem', 'key', 'length', 'toString'], 6]);
});

test('a value for which there is no room is an error, and what was there stays', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore();
    store.set('a', 'small');
    try {
      store.set('a', 'canary'.repeat(2_000_000));
      return 'no error';
    } catch (error) {
      return [error.kind, error.secret, error.message.includes('canary'), store.get('a')];
    }
  });
  assert.deepEqual(result, ['unsupported', 'a', false, 'small']);
});

test("storage that is full is told so, whatever the browser's name for it", async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) =>
    ['QuotaExceededError', 'NS_ERROR_DOM_QUOTA_REACHED'].map((name) => {
      Storage.prototype.setItem = () => {
        throw new DOMException('full', name);
      };
      try {
        return new BrowserSecretStore().set('a', 'b');
      } catch (error) {
        return error.kind;
      }
    }),
  );
  assert.deepEqual(result, ['unsupported', 'unsupported']);
});

test('where the browser keeps storage from a page, that is an outage, not a missing secret', async (t) => {
  const { result } = await inPage(
    t,
    ({ BrowserSecretStore }) => {
      try {
        return new BrowserSecretStore({ failOnMissing: false }).get('a');
      } catch (error) {
        return error.kind;
      }
    },
    'sandboxed',
  );
  assert.equal(result, 'unavailable');
});

for (const [what, storage] of Object.entries({ null: 'null', undefined: 'undefined' })) {
  test(`where the browser has ${what} for a storage, that is an outage`, async (t) => {
    const { page } = await inPage(t, () => {});
    const kinds = await page.evaluate(`(async () => {
      Object.defineProperty(window, 'localStorage', { get: () => (${storage}) });
      const { BrowserSecretStore } = await import('/browser.js');
      const store = new BrowserSecretStore({ failOnMissing: false });
      return [() => store.get('a'), () => store.set('a', 'b'), () => store.list(), () => store.delete('a')].map((call) => {
        try {
          return call();
        } catch (error) {
          return error.kind ?? error.name;
        }
      });
    })()`);
    assert.deepEqual(kinds, Array(4).fill('unavailable'));
  });
}

test('a write of another tab is read, and so is that it cleared everything', async (t) => {
  const { page } = await inPage(t, ({ BrowserSecretStore }) => {
    globalThis.store = new BrowserSecretStore();
    globalThis.store.set('a', '1');
  });
  const other = await page.context().newPage();
  await other.goto(origin);
  await other.evaluate("localStorage.setItem('modelmesh-secret:a', '2')");
  await page.waitForFunction("globalThis.store.get('a') === '2'");
  await other.evaluate('localStorage.clear()');
  await page.waitForFunction("globalThis.store.find('a') === undefined && globalThis.store.list().length === 0");
});

test('a store shows no value, and says what it is', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore();
    store.set('a', 'canary');
    return [JSON.stringify(store), String(store), Object.keys(store), BrowserSecretStore.CONNECTOR_ID];
  });
  assert.deepEqual(result, ['{"connector":"modelmesh.browser-secrets.v1"}', '[object Object]', [], 'modelmesh.browser-secrets.v1']);
});

test('names are the names of every store, and what else is stored under the prefix is no secret', async (t) => {
  const { page } = await inPage(t, () => localStorage.setItem('modelmesh-secret:a//b', 'x'));
  const judge = async (names) => {
    const { BrowserSecretStore } = await import('/browser.js');
    const store = new BrowserSecretStore();
    const judged = names.map((name) => {
      const calls = [() => store.set(name, '1'), () => store.get(name), () => store.find(name), () => store.delete(name)];
      return calls.map((call) => {
        try {
          return call() ?? null;
        } catch (error) {
          return error.kind;
        }
      });
    });
    return [judged, store.list(), localStorage.length];
  };
  const names = [...cases.names, { name: 'n'.repeat(2048), valid: true }, { name: 'é'.repeat(1025), valid: false }];
  const [judged, list, length] = await page.evaluate(judge, names.map(({ name }) => name));
  const valid = [null, '1', '1', null];
  assert.deepEqual(judged, names.map((one) => (one.valid ? valid : Array(4).fill('invalid_name'))));
  assert.deepEqual([list, length], [[], 1]);
});

test('text that is not Unicode is refused, as by every store', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore();
    const calls = [() => store.set('\ud800', 'x'), () => store.set('a', '\udc00canary'), () => store.get('\ud800')];
    return calls.map((call) => {
      try {
        return call();
      } catch (error) {
        return [error.kind, error.message.includes('canary')];
      }
    });
  });
  assert.deepEqual(result, Array(3).fill(['unsupported', false]));
});

test('whatever the browser throws is an outage', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore({ failOnMissing: false });
    for (const method of ['getItem', 'setItem', 'removeItem', 'key']) {
      Storage.prototype[method] = () => {
        throw new DOMException('canary', method === 'setItem' ? 'SecurityError' : 'NS_ERROR_FILE_CORRUPTED');
      };
    }
    localStorage.other = 'x';
    return [() => store.get('a'), () => store.find('a'), () => store.set('a', 'b'), () => store.delete('a'), () => store.list()].map((call) => {
      try {
        return call();
      } catch (error) {
        return [error.kind, error.secret, error.message];
      }
    });
  });
  const [corrupt, refused] = ['NS_ERROR_FILE_CORRUPTED', 'SecurityError'].map((name) => `localStorage failed: ${name}`);
  const of = (secret, message) => ['unavailable', secret, message];
  assert.deepEqual(result, [of('a', corrupt), of('a', corrupt), of('a', refused), of('a', corrupt), of(undefined, corrupt)]);
});

test('an option that is null is not set, and a prefix is a text', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore({ prefix: null, failOnMissing: null });
    store.set('a', '1');
    const failures = [() => store.get('b'), () => new BrowserSecretStore({ prefix: 7 })].map((call) => {
      try {
        return call();
      } catch (error) {
        return error.kind ?? error.name;
      }
    });
    return [localStorage.getItem('modelmesh-secret:a'), failures];
  });
  assert.deepEqual(result, ['1', ['not_found', 'TypeError']]);
});

test('what is no text is refused, and not shown', async (t) => {
  const { result } = await inPage(t, ({ BrowserSecretStore }) => {
    const store = new BrowserSecretStore();
    return [() => store.set('a', { canary: 1 }), () => store.set(7, 'x'), () => store.set('', 'x'), () => store.get(undefined)].map((call) => {
      try {
        return call();
      } catch (error) {
        return [error.name, error.message.includes('canary')];
      }
    });
  });
  assert.deepEqual(result.map(([name]) => name), ['TypeError', 'TypeError', 'SecretStoreError', 'TypeError']);
  assert.ok(result.every(([, shows]) => !shows));
});
