import { AsyncLocalStorage } from 'node:async_hooks';

import type { Failure, Secret } from './binding.js';
import { SecretStoreError } from './errors.js';

const current = new AsyncLocalStorage<Flight>();

/** @internal One call of a hook that is under way, for one name. */
export class Flight {
  /** What comes of it, where others on this thread may wait for it. */
  answer: Promise<Secret | Failure> | undefined;
  /** The flights that this one waits for. */
  readonly #awaited = new Set<Flight>();

  /** Runs the hook: what it waits for, it waits for as this flight. */
  run<T>(hook: () => T): T {
    return current.run(this, hook);
  }

  #waitsFor(other: Flight): boolean {
    if (this === other) return true;
    for (const awaited of this.#awaited) if (awaited.#waitsFor(other)) return true;
    return false;
  }

  /**
   * Says that the hook that is running here, if any, waits for this flight until the function that is returned is
   * called.
   *
   * @throws {SecretStoreError} If that would be for ever, because this flight waits for that hook.
   */
  board(name: string): () => void {
    const waiting = current.getStore();
    if (waiting === undefined) return () => {};
    if (this.#waitsFor(waiting)) throw asksItself(name);
    waiting.#awaited.add(this);
    return () => waiting.#awaited.delete(this);
  }
}

/** @internal The error of a store that would wait for itself. */
export function asksItself(name: string): SecretStoreError {
  return new SecretStoreError('invalid_config', 'the store asked itself for the name it was asked for', {
    secret: name,
    help: "in '_resolve', ask the backend, not the store that caches it",
  });
}
