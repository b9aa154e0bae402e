import type { Failure, Store } from './binding.js';
import type { BaseSecretStoreConfig } from './config.js';
import type { SecretStoreError } from './errors.js';
import { HookReads } from './hooked.js';
import { valueOf } from './host.js';
import { HotCopy } from './hot.js';
import type { SecretStoreConnector } from './interfaces.js';
import { ConnectorReads, type Reads } from './reads.js';
import { requireText } from './text.js';
import { isFailure, toErrorOf } from './thrown.js';
import type { Resolved, SecretValue } from './value.js';

/** @internal The native connector of a store, and the `_resolve` that reads it. */
export const connectorOf = Symbol('connector');
/** @internal Says that the connector of a store was written. */
export const written = Symbol('written');

const NO_COPIES = new HotCopy();

/**
 * A store with a cache. Override `_resolve` to look names up wherever secrets are kept.
 *
 * - A value is served from memory until its TTL, or its own expiry, has passed.
 * - Callers who ask for one name at the same time share one call of `_resolve`.
 * - While `_resolve` fails to reach its backend (a system error of Node's, or a {@link SecretStoreError} of a kind such
 *   as `unavailable`), the last good value is served for `maxStale`. Any other exception passes through.
 * - A synchronous call blocks this thread, with its event loop, where it has to wait. `…Async` does not.
 * - Printed, inspected or made JSON, a store shows no value.
 *
 * ```ts
 * class TeamStore extends BaseSecretStore {
 *   protected override _resolve(name: string) {
 *     return readFromDrawer(name); // a string, or null if there is no such secret
 *   }
 * }
 * ```
 */
export class BaseSecretStore implements SecretStoreConnector {
  readonly #config: BaseSecretStoreConfig;
  #copies = NO_COPIES;
  #reads: Reads | undefined;

  constructor(config: BaseSecretStoreConfig = {}) {
    this.#config = { ...config };
  }

  /** The configuration that the store was made with. */
  protected get _config(): Readonly<BaseSecretStoreConfig> {
    return this.#config;
  }

  /**
   * The value of a secret.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret, unless `failOnMissing` is false: it is
   * `''` then. An outage is an error whatever `failOnMissing` says.
   */
  get(name: string): string {
    return this.#copies.get(name) ?? this.#read(name);
  }

  /** As {@link get}, without blocking this thread. */
  async getAsync(name: string): Promise<string> {
    const here = this.#copies.get(name) ?? this.#cached(name);
    if (here !== undefined) return here;
    const secret = await this.#opened().secretLater(name);
    return isFailure(secret) ? this.#missing(name, secret) : secret.value;
  }

  /** The value of a secret; `undefined` if there is no such secret, whatever `failOnMissing` says. */
  find(name: string): string | undefined {
    const here = this.#copies.get(name) ?? this.#cached(name);
    if (here !== undefined) return here;
    const text = this.#opened().text(name);
    return isFailure(text) ? absent(name, text) : text;
  }

  /** As {@link find}, without blocking this thread. */
  async findAsync(name: string): Promise<string | undefined> {
    const here = this.#copies.get(name) ?? this.#cached(name);
    if (here !== undefined) return here;
    const secret = await this.#opened().secretLater(name);
    return isFailure(secret) ? absent(name, secret) : secret.value;
  }

  /**
   * A secret's value with its version and expiry.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret, whatever `failOnMissing` says.
   */
  getValue(name: string): SecretValue {
    const secret = this.#opened().secret(requireText(name, 'a name'));
    if (isFailure(secret)) throw toErrorOf(name, secret);
    return valueOf(secret);
  }

  /** As {@link getValue}, without blocking this thread. */
  async getValueAsync(name: string): Promise<SecretValue> {
    const secret = await this.#opened().secretLater(requireText(name, 'a name'));
    if (isFailure(secret)) throw toErrorOf(name, secret);
    return valueOf(secret);
  }

  /**
   * Fetches secrets into the cache, in as few calls as the store can take, so that `get` of them does not block.
   *
   * @throws {SecretStoreError} If one of them cannot be fetched, or is missing; the others are there then. Of several, it
   * has all as `errors`.
   */
  async preload(names: Iterable<string>): Promise<void> {
    // A string would be asked for letter by letter.
    if (typeof names === 'string') throw new TypeError('names must be a list of strings');
    const asked = [...names].map((name) => requireText(name, 'a name'));
    const failure = await this.#opened().preload(asked);
    if (failure !== undefined) throw toErrorOf(failure.secret, failure);
  }

  /** Forgets everything that is cached: the next reader asks the backend. */
  clearCache(): void {
    this.#reads?.store.clear();
  }

  /** Forgets what is cached of one name: call it where your own code has changed the secret. */
  invalidate(name: string): void {
    this.#reads?.store.invalidate(requireText(name, 'a name'));
  }

  /**
   * Looks a name up in the backend: its value, or `null` if there is no such secret. A promise of it may be returned;
   * the store can be read by the `…Async` calls alone then.
   *
   * The one that is not overridden looks in `secrets` of the configuration.
   */
  protected _resolve(name: string): Resolved | PromiseLike<Resolved> {
    const { secrets } = this.#config;
    return secrets !== undefined && Object.hasOwn(secrets, name) ? secrets[name] : null;
  }

  /** @internal */
  [connectorOf](): { store: Store; resolve: unknown } | undefined {
    return undefined;
  }

  /** @internal Its own engine knows. A `_resolve` that is a subclass's own may have made other names of what was written. */
  [written](): void {
    if (this.#reads instanceof HookReads) this.clearCache();
  }

  toJSON(): object {
    return { connector: this.#id() };
  }

  /** @internal What `util.inspect` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.constructor.name} <${this.#id()}>`;
  }

  #id(): string {
    const { CONNECTOR_ID } = this.constructor as { CONNECTOR_ID?: unknown };
    return typeof CONNECTOR_ID === 'string' ? CONNECTOR_ID : 'custom';
  }

  /** A value that is not among the copies. */
  #read(name: string): string {
    const cached = this.#cached(name);
    if (cached !== undefined) return cached;
    const text = this.#opened().text(name);
    return isFailure(text) ? this.#missing(name, text) : text;
  }

  #cached(name: string): string | undefined {
    this.#opened();
    return this.#copies.fill(requireText(name, 'a name'));
  }

  #missing(name: string, failure: Failure): string {
    if (failure.kind === 'not_found' && this.#config.failOnMissing === false) return '';
    throw toErrorOf(name, failure);
  }

  /** Opened at the first call: only then is it known which `_resolve` a subclass has. */
  #opened(): Reads {
    if (this.#reads !== undefined) return this.#reads;
    const connector = this[connectorOf]();
    const reads =
      connector?.resolve === this._resolve
        ? new ConnectorReads(connector.store)
        : new HookReads(this.#id(), this.#config, (name) => this._resolve(name));
    this.#copies = new HotCopy(reads.store);
    this.#reads = reads;
    return reads;
  }
}

function absent(name: string, failure: Failure): undefined {
  if (failure.kind !== 'not_found') throw toErrorOf(name, failure);
}
