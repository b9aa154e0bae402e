// The package as it is published: packed, and installed into an empty folder.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { keybox } from './keybox.mjs';

const root = join(import.meta.dirname, '..', '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
let work;
let tarball;

function run(program, args, cwd) {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

before(() => {
  work = mkdtempSync(join(tmpdir(), 'modelmesh-package-'));
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', work], root));
  tarball = join(work, filename);
});

after(() => rmSync(work, { recursive: true }));

/** A folder in which nothing is but the package. */
function installed(name, type) {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type }));
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], folder);
  return folder;
}

/** Compiles a file by the strictest rules, the package's declarations included, with no types but the language's. */
function compile(folder, file) {
  const options = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noImplicitOverride', '--skipLibCheck', 'false'];
  const args = [tsc, ...options, '--target', 'ES2022', '--lib', 'ES2022', '--module', 'Node16', '--moduleResolution', 'Node16', '--types', '', file];
  try {
    run(process.execPath, args, folder);
  } catch (error) {
    throw new Error(error.stdout);
  }
}

test('the package holds what it needs and nothing else', () => {
  const files = run('tar', ['-tzf', tarball], work).trim().split('\n');
  const unexpected = files.filter((file) => !/^package\/(package\.json|README\.md|native\/modelmesh-[\w-]+\.node|dist\/[\w/-]+(\.d)?\.m?[jt]s|dist\/browser\/package\.json)$/.test(file));
  assert.deepEqual(unexpected, []);
  assert.ok(files.some((file) => file.endsWith('.node')));
});

for (const type of ['module', 'commonjs']) {
  test(`a ${type} project compiles strictly against it, and runs`, () => {
    const folder = installed(`consumer-${type}`, type);
    assert.deepEqual(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.')), ['modelmesh']);
    cpSync(join(import.meta.dirname, 'consumer.ts'), join(folder, 'consumer.ts'));
    writeFileSync(
      join(folder, 'consumer.yaml'),
      "secrets: {store: team.store.v1, config: {region: east}}\nproviders: {p: {key: '${secrets:region}'}}\n",
    );
    compile(folder, 'consumer.ts');
    assert.equal(run(process.execPath, ['consumer.js'], folder), 'the consumer is content\n');
  });
}

test('both module systems have the same classes', () => {
  const folder = installed('both', 'module');
  const code = "import { createRequire } from 'node:module'; import * as esm from 'modelmesh';\n" +
    "const cjs = createRequire(import.meta.url)('modelmesh');\n" +
    "console.log(esm.SecretStoreError === cjs.SecretStoreError && esm.CONNECTOR_REGISTRY === cjs.CONNECTOR_REGISTRY);";
  assert.equal(run(process.execPath, ['--input-type=module', '--eval', code], folder), 'true\n');
});

test('the entry for browsers loads nothing native', () => {
  const folder = installed('browser', 'module');
  rmSync(join(folder, 'node_modules', 'modelmesh', 'native'), { recursive: true });
  const code = "import { createRequire } from 'node:module'; import { BrowserSecretStore } from 'modelmesh/browser';\n" +
    "console.log(BrowserSecretStore.CONNECTOR_ID, createRequire(import.meta.url)('modelmesh/browser').BrowserSecretStore.CONNECTOR_ID);";
  assert.equal(run(process.execPath, ['--input-type=module', '--eval', code], folder), 'modelmesh.browser-secrets.v1 modelmesh.browser-secrets.v1\n');
});

test('a native part that is not there is told with its cause: the system, or a bundle', () => {
  const folder = installed('no-native', 'commonjs');
  const ours = join(folder, 'node_modules', 'modelmesh');
  const failure = (path) => {
    const code = `try { require(${JSON.stringify(path)}) } catch (error) { console.log(error.message) }`;
    return run(process.execPath, ['--eval', code], folder);
  };
  // What a bundler makes of the package: its code, elsewhere.
  mkdirSync(join(folder, 'bundle', 'out'), { recursive: true });
  cpSync(join(ours, 'dist', 'native.js'), join(folder, 'bundle', 'out', 'app.js'));
  assert.match(failure('./bundle/out/app.js'), /leave 'modelmesh' out of the bundle/);
  for (const name of readdirSync(join(ours, 'native'))) rmSync(join(ours, 'native', name));
  assert.match(failure('modelmesh'), /no native part for this system/);
});

for (const [whose, path, fewest] of [['package', root, 4], ['repository', join(root, '..', '..'), 1]]) {
  test(`the snippets of the ${whose}'s README compile and run as written`, () => {
    const folder = installed(`readme-${whose}`, 'module');
    const snippets = [...readFileSync(join(path, 'README.md'), 'utf8').matchAll(/```(js|ts)\n([^]*?)```/g)];
    assert.ok(snippets.length >= fewest);
    for (const [at, [, language, code]] of snippets.entries()) {
      writeFileSync(join(folder, `snippet-${at}.${language}`), code);
      if (language === 'ts') compile(folder, `snippet-${at}.ts`);
      run(process.execPath, [`snippet-${at}.js`], folder);
    }
  });
}

const EXAMPLES = {
  quickstart: /^api_key ends in -1\n/,
  'custom-connector': /calls for ten readers: 1\n$/,
  rotation: /in use: sk-fourth\n$/,
};

for (const [name, expected] of Object.entries(EXAMPLES)) {
  test(`the example '${name}' runs`, () => {
    const folder = installed(`example-${name}`, 'module');
    cpSync(join(root, '..', '..', 'examples', 'node', name), folder, { recursive: true });
    assert.match(run(process.execPath, [`${name}.mjs`], folder), expected);
  });
}

test("the example 'company' compiles strictly, and its stores are found, read and written", async (t) => {
  const folder = installed('example-company', 'module');
  cpSync(join(root, '..', '..', 'examples', 'node', 'company'), folder, { recursive: true });
  try {
    run(process.execPath, [tsc, '--project', folder, '--typeRoots', join(root, 'node_modules', '@types')], folder);
  } catch (error) {
    throw new Error(error.stdout);
  }
  const server = await keybox(t, { 'openai-key': 'sk-keybox' });
  const ledger = join(folder, 'ledger.jsonl');
  const rows = [['B', 'old', 1], ['B', 'new', 2], ['A', 'of another line', 3]];
  writeFileSync(ledger, rows.map(([line, value, revision]) => `${JSON.stringify({ line, name: 'camera-key', value, revision })}\n`).join(''));

  const env = { ...process.env, HALDEN_KEYBOX_URL: server.url, HALDEN_KEYBOX_TOKEN: server.token, HALDEN_LEDGER: ledger, HALDEN_ARMS_OPENAI_KEY: 'sk-bench-key' };
  const { stdout } = await promisify(execFile)(process.execPath, ['build/main.js'], { cwd: folder, env });
  assert.equal(stdout, 'openai: a key of 9 characters\nvision: a key of 3 characters\nexperiments: a key of 12 characters\n');

  const { KeyboxSecretStore, LedgerSecretStore } = await import(pathToFileURL(join(folder, 'build', 'halden', 'index.js')));
  const store = new KeyboxSecretStore(server);
  assert.equal(await store.getAsync('openai-key'), 'sk-keybox');
  await store.setAsync('openai-key', 'sk-newer');
  await store.setAsync('a/b', 'slash');
  assert.equal(await store.getAsync('openai-key'), 'sk-newer');
  assert.equal(await store.getAsync('a/b'), 'slash');
  assert.deepEqual(await store.listAsync(), ['a/b', 'openai-key']);
  await store.deleteAsync('a/b');
  await assert.rejects(store.getAsync('a/b'), { kind: 'not_found' });
  await assert.rejects(store.deleteAsync('a/b'), { kind: 'not_found' });
  const stranger = new KeyboxSecretStore({ url: server.url, token: 'canary' });
  await assert.rejects(stranger.getAsync('openai-key'), (error) => error.kind === 'unavailable' && !error.stack.includes('canary'));
  for (const status of [403, 404, 500, 503]) {
    server.fail(status);
    await assert.rejects(new KeyboxSecretStore(server).getAsync('none'), { kind: 'unavailable', message: `the keybox answered ${status}` });
  }

  assert.equal(new LedgerSecretStore({ file_path: ledger, line: 'B' }).getValue('camera-key').version, '2');
  assert.equal(new LedgerSecretStore({ file_path: ledger }).find('lamp-key'), undefined);
  assert.throws(() => new LedgerSecretStore({ file_path: join(folder, 'none') }).get('camera-key'), { code: 'ENOENT' });
  writeFileSync(ledger, '{"value": "canary"');
  assert.throws(() => new LedgerSecretStore({ file_path: ledger }).get('camera-key'), (error) => error.kind === 'malformed' && !error.stack.includes('canary'));
});
