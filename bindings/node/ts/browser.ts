import { SecretStoreError, notFound } from './errors.js';
import type { SecretManagement, SecretStoreConnector } from './interfaces.js';
import { requireText } from './text.js';

export { SecretStoreError, type ErrorKind, type SecretStoreErrorDetails } from './errors.js';
export type { SecretManagement, SecretResolution, SecretStoreConnector } from './interfaces.js';

/** What is used of the browser. */
declare const localStorage: WebStorage;
declare const TextEncoder: new () => { encode(text: string): { readonly length: number } };

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

  constructor({ prefix, failOnMissing }: BrowserSecretStoreConfig = {}) {
    this.#prefix = requireText(prefix ?? 'modelmesh-secret:', "the option 'prefix'");
    this.#failOnMissing = failOnMissing ?? true;
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
    const key = this.#key(name);
    return inStorage((storage) => storage.getItem(key), name) ?? undefined;
  }

  /**
   * Stores or updates a secret.
   *
   * @throws {SecretStoreError} Of kind `unsupported` if the browser has no room for it. Nothing was changed then.
   */
  set(name: string, value: string): void {
    const [key, text] = [this.#key(name), requireText(value, 'a value')];
    inStorage((storage) => storage.setItem(key, text), name);
  }

  /** The names of all secrets, sorted. */
  list(): string[] {
    const keys = inStorage((storage) => Array.from({ length: storage.length }, (_, at) => storage.key(at)));
    return keys
      .flatMap((key) => (key?.startsWith(this.#prefix) ? [key.slice(this.#prefix.length)] : []))
      .filter((name) => brokenRule(name) === undefined)
      .sort();
  }

  /**
   * Removes a secret.
   *
   * @throws {SecretStoreError} Of kind `not_found` if there is no such secret.
   */
  delete(name: string): void {
    const key = this.#key(name);
    const isThere = inStorage((storage) => {
      const found = storage.getItem(key);
      storage.removeItem(key);
      return found !== null;
    }, name);
    if (!isThere) throw notFound(name);
  }

  toJSON(): object {
    return { connector: BrowserSecretStore.CONNECTOR_ID };
  }

  #key(name: string): string {
    const rule = brokenRule(requireText(name, 'a name'));
    if (rule !== undefined) throw new SecretStoreError('invalid_name', rule, { secret: name.slice(0, 80) });
    return this.#prefix + name;
  }
}

/** The rule of names that a name breaks: those of the engine, which is not here. */
function brokenRule(name: string): string | undefined {
  if (name === '') return 'a name cannot be empty';
  if (new TextEncoder().encode(name).length > 2048) return 'a name cannot be longer than 2048 bytes';
  if (/\p{Cc}/u.test(name)) return 'a name cannot hold control characters';
  const segments = name.split('/');
  if (segments.includes('')) return "a name cannot start or end with '/', or hold '//'";
  if (segments.includes('.') || segments.includes('..')) return "a segment of a name cannot be '.' or '..'";
  return undefined;
}

/** What `task` gives, of the page's storage. Whatever the browser throws is an error with a kind, and shows no value. */
function inStorage<T>(task: (storage: WebStorage) => T, secret?: string): T {
  const storage = allowed();
  if (!storage) {
    throw new SecretStoreError('unavailable', 'this page has no localStorage', {
      help: 'browsers keep it from sandboxed frames, pages without an origin, and where the user has switched it off',
    });
  }
  try {
    return task(storage);
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    // Firefox had a name of its own for storage that is full.
    if (['QuotaExceededError', 'NS_ERROR_DOM_QUOTA_REACHED'].includes(name)) {
      throw new SecretStoreError('unsupported', 'localStorage has no room for the secret', { secret });
    }
    throw new SecretStoreError('unavailable', `localStorage failed: ${name}`, { secret });
  }
}

/** Where it is kept from a page, some browsers throw, and others have nothing there. */
function allowed(): WebStorage | null | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
