/** Retrieves a secret's value by its name: what every store does. */
export interface SecretResolution {
  /**
   * The value of a secret.
   *
   * @throws {Error} If there is no such secret, and `failOnMissing` is true.
   */
  get(name: string): string;
}

/** Stores, lists and removes secrets: for tools that provision them. Not every store does. */
export interface SecretManagement {
  /** Stores or updates a secret. */
  set(name: string, value: string): void;

  /** The names of all secrets, sorted. */
  list(): string[];

  /**
   * Removes a secret.
   *
   * @throws {Error} If there is no such secret.
   */
  delete(name: string): void;
}

/** A store: resolution, and possibly {@link SecretManagement}. */
export interface SecretStoreConnector extends SecretResolution {}
