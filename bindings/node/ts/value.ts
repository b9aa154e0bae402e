/** What a store says about a value. */
export interface SecretValueDetails {
  /** The version under which the store keeps it. */
  version?: string | undefined;
  /** The instant after which it must not be used. */
  expiresAt?: Date | undefined;
}

/**
 * A resolved secret, with its version and expiry.
 *
 * `value` is the one way to read it: printed, inspected or made JSON, an object shows all but the value.
 */
export class SecretValue {
  readonly #value: string;
  /** The version under which the store keeps it, if it keeps versions. */
  declare readonly version?: string;
  /** The instant after which it must not be used. */
  declare readonly expiresAt?: Date;

  constructor(value: string, details: SecretValueDetails = {}) {
    this.#value = value;
    if (details.version !== undefined) this.version = details.version;
    if (details.expiresAt !== undefined) this.expiresAt = details.expiresAt;
  }

  /** The value itself. */
  get value(): string {
    return this.#value;
  }

  toString(): string {
    return '[SecretValue]';
  }

  toJSON(): SecretValueDetails {
    const { version, expiresAt } = this;
    return { version, expiresAt };
  }

  /** @internal What `util.inspect` shows, even if it is asked to call getters. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `SecretValue ${inspect({ ...this }, options)}`;
  }
}

/** What `_resolve` may give: a value, or nothing if there is no such secret. */
export type Resolved = string | SecretValue | null | undefined;
