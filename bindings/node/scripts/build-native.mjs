// Builds the native part, and writes its declarations. `--release` for the package that is published; `--check` fails if
// the declarations are not those of the code.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const isRelease = process.argv.includes('--release');
const definitions = mkdtempSync(join(tmpdir(), 'modelmesh-definitions-'));

try {
  // The macros write the definitions when the crate is compiled, and at no other time.
  const now = new Date();
  utimesSync(join(root, 'src', 'lib.rs'), now, now);
  const artifact = build();
  const native = join(root, 'native');
  mkdirSync(native, { recursive: true });
  copyFileSync(artifact, join(native, `modelmesh-${platform()}.node`));

  const file = join(root, 'ts', 'binding.d.ts');
  const declarations = declare();
  if (process.argv.includes('--check')) {
    if (readFileSync(file, 'utf8') !== declarations) throw new Error(`'${file}' is not what the code says: run 'npm run build:native'`);
  } else {
    writeFileSync(file, declarations);
  }
} finally {
  rmSync(definitions, { recursive: true });
}

/** Builds the crate; the path of the library. */
function build() {
  // With the rest of the workspace, as 'cargo test' builds it: alone, it would build the vendors' libraries once more.
  const what = isRelease ? ['--release', '--package', 'modelmesh-node'] : ['--workspace', '--lib'];
  const output = execFileSync('cargo', ['build', ...what, '--message-format', 'json-render-diagnostics'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NAPI_TYPE_DEF_TMP_FOLDER: definitions },
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const messages = output.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const artifact = messages.find(
    ({ reason, target }) => reason === 'compiler-artifact' && target.name === 'modelmesh_node' && target.kind.includes('cdylib'),
  );
  return artifact.filenames.find((name) => /\.(so|dylib|dll)$/.test(name));
}

/** As `ts/native.ts` has it. */
function platform() {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return name;
  return `${name}-${process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`;
}

/** The declarations, of what the macros wrote. */
function declare() {
  const items = readdirSync(definitions)
    .flatMap((name) => readFileSync(join(definitions, name), 'utf8').split('\n'))
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const members = Map.groupBy?.(items, (item) => item.name) ?? groupByName(items);
  const written = [...members].map(([name, parts]) => declaration(name, parts)).sort();
  return `// Made of the Rust code by scripts/build-native.mjs.

import type { ErrorKind } from './errors.js';

export type Reason = 'init' | 'rotation' | 'recovery' | 'manual';
export type RefusalOutcome = 'rotated' | 'fell_back' | 'unchanged' | 'unavailable';

/** A setting. A mapping is its keys beside its values, so that no key is special. */
export type Given = string | number | boolean | Given[] | GivenMap;
export interface GivenMap {
  keys: string[];
  values: Given[];
}

${written.join('\n')}`;
}

function groupByName(items) {
  const groups = new Map();
  for (const item of items) groups.set(item.name, [...(groups.get(item.name) ?? []), item]);
  return groups;
}

function declaration(name, parts) {
  const about = parts.map((part) => part.js_doc ?? '').join('');
  const body = parts.map((part) => part.def).filter(Boolean).join('\n');
  switch (parts[0].kind) {
    case 'fn':
      return `${about}export ${body};\n`;
    case 'interface':
      return `${about}export interface ${name} {\n${indented(body)}}\n`;
    default: {
      // What work comes to differs from call to call.
      const parameter = name === 'Work' ? '<T>' : '';
      const isMade = body.includes('constructor(');
      return `${about}export declare class ${name}${parameter} {\n${isMade ? '' : '  private constructor();\n'}${indented(body)}}\n`;
    }
  }
}

function indented(body) {
  return body.split('\n').map((line) => `  ${line.trim()}\n`).join('');
}
