import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** @internal The native part, for this system. */
export const native = load();

function load(): typeof import('./binding.js') {
  const folder = join(__dirname, '..', 'native');
  const file = join(folder, `modelmesh-${platform()}.node`);
  if (!existsSync(file)) {
    const why = existsSync(folder)
      ? "this build of 'modelmesh' has no native part for this system"
      : "the native part of 'modelmesh' is not beside its code: leave 'modelmesh' out of the bundle, as an external package";
    throw new Error(`${why}: '${file}' is not there`);
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require(file) as typeof import('./binding.js');
}

/** `linux-x64-gnu`, `linux-arm64-musl`, `darwin-arm64`, `win32-x64`. */
function platform(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${name}-${usesGlibc() ? 'gnu' : 'musl'}` : name;
}

function usesGlibc(): boolean {
  // A report looks up the names of its peers, unless it is told not to.
  const asks = process.report as { excludeNetwork?: boolean };
  const before = asks.excludeNetwork;
  asks.excludeNetwork = true;
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  if (before !== undefined) asks.excludeNetwork = before;
  return report.header.glibcVersionRuntime !== undefined;
}
