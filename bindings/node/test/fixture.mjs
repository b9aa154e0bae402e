// What several tests need: a folder of their own, and conditions that are awaited.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A folder for one test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'modelmesh-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Writes a file for one test; its path. */
export function file(t, name, text) {
  const path = join(folder(t), name);
  writeFileSync(path, text);
  return path;
}

/** Gives a file another text as an editor does, at once: who reads it meanwhile never finds it empty. */
export function rewrite(path, text) {
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

/** Longer than anything here takes on the slowest machine. It only bounds how long a failure takes. */
export const LONG_MS = 60_000;

/** Waits until something is so; what it was in the end is the caller's to assert. */
export async function until(condition, limitMs = LONG_MS) {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it did not come to that within ${limitMs} ms: ${condition}`);
    await pause(5);
  }
}

/** A promise with its two ends in hand. */
export function gate() {
  let open;
  let fail;
  const promise = new Promise((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** The error that a function throws. */
export function thrownBy(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error(`it did not throw: ${call}`);
}
