import { SecretStoreError } from './errors.js';

/** @internal A text that is passed on as it is; what it was instead is not told, for it may be a value. */
export function requireText<T extends string>(value: T, what: string): T {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  // Half of a surrogate pair has no UTF-8: it would arrive as another text.
  if (/\p{Surrogate}/u.test(value)) {
    throw new SecretStoreError('unsupported', `${what} is not Unicode: it holds half of a surrogate pair`);
  }
  return value;
}
