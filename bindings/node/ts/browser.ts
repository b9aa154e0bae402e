import { SecretStoreError, notFound } from './errors.js';
import type { SecretManagement, SecretStoreConnector } from './interfaces.js';

export { SecretStoreError, type ErrorKind, type SecretStoreErrorDetails } from './errors.js';
export type { SecretManagement, SecretResolution, SecretStoreConnector } from './interfaces.js';

/** What is used of the browser. */
declare const localStorage: WebStorage;

interface WebStorage {
  readonly length: number;
  key(at: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The options of a {@link BrowserSecretStore}. */
export interface BrowserSecretStoreConfig {
  /** What the keys in `localStorage` start with. Default: `'modelmesh-secret:'`. */
  prefix?: string;
  /** Whether `get` of a missing name throws; it returns `''` otherwise. Default: `true`. */
  failOnMissing?: boolean;
}

/**
 * Secrets in the browser's `localStorage`: for demonstrations and prototypes.
 *
 * **They are not encrypted.** Every script of the page's origin can read them, and so can whoever uses the browser. Do
 * not keep a secret here that is worth anything; ask a server of your own for what needs one.
 *
 * Connector ID: `modelmesh.browser-secrets.v1`.
 */
export class BrowserSecretStore implements SecretStoreConnector, SecretManagement {
  static readonly CONNECTOR_ID: string = 'modelmesh.browser-secrets.v1';

  readonly #prefix: string;
  readonly #failOnMissing: boolean;

  constructor({ prefix = 'modelmesh-secret:', failOnMissing = true }: BrowserSecretStoreConfig = {}) {
    this.#prefix = prefix;
    this.#failOnMissing = failOnMissing;
  }

  /**
   * The value of a secret.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret, unless `failOnMissing` is false: it is
   * `''` then.
   */
  get(name: string): string {
    const value = this.find(name);
    if (value !== undefined) return value;
    if (this.#failOnMissing) throw notFound(name);
    return '';
  }

  /** The value of a secret; `undefined` if there is no such secret. */
  find(name: string): string | undefined {
    return storage().getItem(this.#key(name)) ?? undefined;
  }

  /**
   * Stores or updates a secret.
   *
   * @throws {SecretStoreError} Of kind `unsupported` if the browser has no room for it. Nothing was changed then.
   */
  set(name: string, value: string): void {
    if (typeof value !== 'string') throw new TypeError('a value must be a string');
    try {
      storage().setItem(this.#key(name), value);
    } catch (error) {
      if (!isFull(error)) throw error;
      throw new SecretStoreError('unsupported', 'localStorage has no room for the secret', { secret: name });
    }
  }

  /** The names of all secrets, sorted. */
  list(): string[] {
    const stored = storage();
    const names: string[] = [];
    for (let at = 0; at < stored.length; at += 1) {
      const key = stored.key(at);
      if (key !== null && key.length > this.#prefix.length && key.startsWith(this.#prefix)) {
        names.push(key.slice(this.#prefix.length));
      }
    }
    return names.sort();
  }

  /**
   * Removes a secret.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret.
   */
  delete(name: string): void {
    const key = this.#key(name);
    if (storage().getItem(key) === null) throw notFound(name);
    storage().removeItem(key);
  }

  toJSON(): object {
    return { connector: BrowserSecretStore.CONNECTOR_ID };
  }

  #key(name: string): string {
    if (typeof name !== 'string') throw new TypeError('a name must be a string');
    if (name === '') throw new SecretStoreError('invalid_name', 'a name has at least one character');
    return this.#prefix + name;
  }
}

function storage(): WebStorage {
  const storage = allowed();
  if (storage) return storage;
  throw new SecretStoreError('unavailable', 'this page has no localStorage', {
    help: 'browsers keep it from sandboxed frames, pages without an origin, and where the user has switched it off',
  });
}

/** Where it is kept from a page, some browsers throw, and others have nothing there. */
function allowed(): WebStorage | null | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** Whether storage is full; Firefox had a name of its own for it. */
function isFull(error: unknown): boolean {
  return error instanceof Error && ['QuotaExceededError', 'NS_ERROR_DOM_QUOTA_REACHED'].includes(error.name);
}
