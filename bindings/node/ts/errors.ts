/**
 * What went wrong, in the terms by which a caller decides what to do.
 *
 * `throttled` and `unavailable` are worth another try a little later. From `not_found` alone follows that there is no
 * such secret; an outage never looks like it.
 */
export type ErrorKind =
  | 'not_found'
  | 'denied'
  | 'disabled'
  | 'throttled'
  | 'unavailable'
  | 'store_auth'
  | 'malformed'
  | 'locked'
  | 'conflict'
  | 'invalid_name'
  | 'invalid_reference'
  | 'invalid_config'
  | 'unsupported'
  | 'io';

/** What an error knows beyond its kind and message. */
export interface SecretStoreErrorDetails {
  /** The store on which it happened. */
  store?: string | undefined;
  /** The secret's name. */
  secret?: string | undefined;
  /** What the reader may try. */
  help?: string | undefined;
  /** How long the store asked to be left alone, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The errors that this one is made of. */
  errors?: readonly Error[] | undefined;
  /** What it follows from. */
  cause?: unknown;
}

/** An error of a store, a reference or a configuration. It never holds a value. */
export class SecretStoreError extends Error {
  /** What kind of error it is. Decide by this. */
  readonly kind: ErrorKind;
  /** The store on which it happened. */
  declare readonly store?: string;
  /** The secret's name. */
  declare readonly secret?: string;
  /** What the reader may try. */
  declare readonly help?: string;
  /** How long the store asked to be left alone, in milliseconds. */
  declare readonly retryAfterMs?: number;
  /** The errors that this one is made of. */
  declare readonly errors?: readonly Error[];

  constructor(kind: ErrorKind, message: string, details: SecretStoreErrorDetails = {}) {
    const { cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    for (const [key, value] of Object.entries(rest)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true });
    }
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'SecretStoreError', configurable: true, writable: true });
  }
}

/** @internal The error of a name that a store does not have. */
export function notFound(name: string, details: SecretStoreErrorDetails = {}): SecretStoreError {
  return new SecretStoreError('not_found', `Secret not found: ${name}`, { ...details, secret: name });
}
