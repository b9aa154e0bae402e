import type { Store } from './binding.js';
import { BaseSecretStore, connectorOf, written } from './base.js';
import type { ConnectorOptions } from './config.js';
import { given } from './given.js';
import { host, secretOf, valueOf, wait } from './host.js';
import type { SecretManagement } from './interfaces.js';
import { native } from './native.js';
import { requireText } from './text.js';
import { isFailure, orThrow, toErrorOf } from './thrown.js';
import { SecretValue, type Resolved } from './value.js';

/**
 * A store of a connector that the package has.
 *
 * A subclass may override `_resolve`, and call `super._resolve` to ask the connector.
 */
export abstract class ConnectorSecretStore extends BaseSecretStore {
  readonly #store: Store;

  /** @throws {SecretStoreError} Of kind `invalid_config` for options that do not fit. Nothing is connected to. */
  protected constructor(id: string, options: ConnectorOptions) {
    super(options);
    this.#store = orThrow(native.openStore(host, id, given(options)));
  }

  /** What the connector has under a name now, past the cache. */
  protected override _resolve(name: string): Resolved | PromiseLike<Resolved> {
    const secret = wait(this.#store.refresh(requireText(name, 'a name')));
    if (!isFailure(secret)) return valueOf(secret);
    if (secret.kind === 'not_found') return null;
    throw toErrorOf(name, secret);
  }

  /** @internal */
  override [connectorOf](): { store: Store; resolve: unknown } {
    return { store: this.#store, resolve: ConnectorSecretStore.prototype._resolve };
  }
}

/** A store of a connector that can be written. */
export abstract class ManagedSecretStore extends ConnectorSecretStore implements SecretManagement {
  /**
   * Stores or updates a secret. When it returns, the value is durable.
   *
   * @throws {SecretStoreError} Of kind `unsupported` if the store cannot hold the value, `conflict` if another writer got
   * in between; nothing was changed then.
   */
  set(name: string, value: string | SecretValue): void {
    this.#done(name, wait(this.#setting(name, value)));
  }

  /** As {@link set}, without blocking this thread. */
  async setAsync(name: string, value: string | SecretValue): Promise<void> {
    this.#done(name, await this.#setting(name, value).promise());
  }

  /** The names of all secrets, sorted. No value is fetched. */
  list(): string[] {
    return orThrow(wait(this.#store.list()));
  }

  /** As {@link list}, without blocking this thread. */
  async listAsync(): Promise<string[]> {
    return orThrow(await this.#store.list().promise());
  }

  /**
   * Removes a secret.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret.
   */
  delete(name: string): void {
    this.#done(name, wait(this.#store.delete(requireText(name, 'a name'))));
  }

  /** As {@link delete}, without blocking this thread. */
  async deleteAsync(name: string): Promise<void> {
    this.#done(name, await this.#store.delete(requireText(name, 'a name')).promise());
  }

  get #store(): Store {
    return this[connectorOf]().store;
  }

  #setting(name: string, value: string | SecretValue) {
    const secret = value instanceof SecretValue ? secretOf(value) : { value: requireText(value, 'a value') };
    return this.#store.set(requireText(name, 'a name'), secret);
  }

  #done(name: string, outcome: unknown): void {
    this[written]();
    if (isFailure(outcome)) throw toErrorOf(name, outcome);
  }
}
