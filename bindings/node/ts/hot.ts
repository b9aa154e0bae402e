import type { Store } from './binding.js';

/**
 * @internal Copies of values that are in the engine's cache, so that reading one again calls nothing native.
 *
 * The engine has a number, its epoch, that changes whenever copies are to be dropped. It lies in memory that both see,
 * and is read atomically. A copy is kept under the epoch that was read before its value was.
 */
export class HotCopy {
  readonly #copies = new Map<string, string>();
  readonly #epoch: Uint32Array | undefined;
  readonly #store: Store | undefined;
  #keptUnder = 0;

  /** Copies of a store's values; without a store, none. */
  constructor(store?: Store) {
    this.#store = store;
    const memory = store?.epochBuffer() ?? undefined;
    this.#epoch = memory && new Uint32Array(memory);
  }

  /** The copy of a value, if there is one that may be used. */
  get(name: string): string | undefined {
    if (this.#now() !== this.#keptUnder) return undefined;
    return this.#copies.get(name);
  }

  /** Reads a value from the engine's cache, and keeps a copy. */
  fill(name: string): string | undefined {
    const epoch = this.#now();
    const value = this.#store?.cached(name) ?? undefined;
    if (epoch !== this.#keptUnder) {
      this.#copies.clear();
      this.#keptUnder = epoch;
    }
    if (value !== undefined) this.#copies.set(name, value);
    return value;
  }

  #now(): number {
    if (this.#epoch !== undefined) return Atomics.load(this.#epoch, 0);
    // A runtime that takes no memory but its own.
    return this.#store === undefined ? 0 : this.#store.epoch();
  }
}
