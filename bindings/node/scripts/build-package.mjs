// Compiles the TypeScript: for Node as CommonJS with an entry for ES modules, and for browsers as ES modules.
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

rmSync(join(root, 'dist'), { recursive: true, force: true });
for (const project of ['tsconfig.json', 'tsconfig.browser.json']) {
  execFileSync(process.execPath, [tsc, '--project', project], { cwd: root, stdio: 'inherit' });
}
copyFileSync(join(root, 'ts', 'binding.d.ts'), join(root, 'dist', 'binding.d.ts'));
writeFileSync(join(root, 'dist', 'browser', 'package.json'), '{ "type": "module" }\n');
