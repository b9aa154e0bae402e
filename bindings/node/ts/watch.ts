import type { Watch as NativeWatch } from './binding.js';
import { valueOf } from './host.js';
import type { SecretValue } from './value.js';

/**
 * A live handle on one secret: yields each new version.
 *
 * - The secret is refreshed in the background as long as the handle lives, whether it is read or not.
 * - Who is slow misses versions in between, never the last one.
 * - While the secret has no value, because it was revoked, nothing is yielded.
 * - Waiting for the next version keeps the process alive. Leaving the loop, or `return()`, closes the handle.
 */
export class Watch implements AsyncIterableIterator<SecretValue> {
  readonly #native: NativeWatch;

  /** @internal */
  constructor(native: NativeWatch) {
    this.#native = native;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next version; `done` once the handle is closed. */
  async next(): Promise<IteratorResult<SecretValue, undefined>> {
    const secret = await this.#native.next().promise();
    return secret === undefined ? { done: true, value: undefined } : { done: false, value: valueOf(secret) };
  }

  /** Closes the handle: lets the secret go, and ends what waits for its next version. */
  return(): Promise<IteratorResult<SecretValue, undefined>> {
    this.#native.close();
    return Promise.resolve({ done: true, value: undefined });
  }
}
