import { BaseSecretStore, SecretStoreError, type BaseSecretStoreConfig } from 'modelmesh';

export interface KeyboxSecretStoreConfig extends BaseSecretStoreConfig {
  /** Where the server is. Default: `'https://keybox.halden.example'`. */
  url?: string;
  /** What proves to the server who asks. */
  token?: string;
}

/**
 * The company's key server. What is written through it is read by its next `getAsync`.
 *
 * It is asked by `fetch`, so it is read by the `…Async` calls, or by `get` of what was preloaded.
 */
export class KeyboxSecretStore extends BaseSecretStore {
  static readonly CONNECTOR_ID: string = 'halden.keybox.v1';

  readonly #url: string;
  // Private, so that nothing that prints the store shows it.
  readonly #token: string;

  constructor({ url = 'https://keybox.halden.example', token = '', ...options }: KeyboxSecretStoreConfig = {}) {
    super(options);
    this.#url = url;
    this.#token = token;
  }

  protected override async _resolve(name: string): Promise<string | undefined> {
    const answer = await this.#ask<{ value: string }>('GET', name);
    return answer?.value;
  }

  async setAsync(name: string, value: string): Promise<void> {
    await this.#ask('PUT', name, { value });
    this.invalidate(name);
  }

  /** The names of all secrets, sorted. */
  async listAsync(): Promise<string[]> {
    const answer = await this.#ask<{ names: string[] }>('GET', '');
    return answer?.names.sort() ?? [];
  }

  /** @throws {SecretStoreError} Of kind `not_found` if there is no such secret. */
  async deleteAsync(name: string): Promise<void> {
    const answer = await this.#ask('DELETE', name);
    this.invalidate(name);
    if (answer === undefined) throw new SecretStoreError('not_found', `Secret not found: ${name}`, { secret: name });
  }

  /**
   * What the server answers; `undefined` if it says that it has no such secret.
   *
   * Whatever else goes wrong is an outage: a failure of the server is never a missing secret, and neither is the 404 of
   * something between us and the server, which does not have the server's own shape. What `fetch` throws says so itself.
   */
  async #ask<Answer>(method: string, name: string, body?: object): Promise<Answer | undefined> {
    const response = await fetch(`${this.#url}/secrets/${encodeURIComponent(name)}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(5_000),
      ...(body && { body: JSON.stringify(body) }),
    });
    // Not with the text of the answer, which may repeat what was sent.
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok && answer !== undefined) return answer as Answer;
    if (response.status === 404 && isMissing(answer)) return undefined;
    throw new SecretStoreError('unavailable', `the keybox answered ${response.status}`);
  }
}

function isMissing(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'error' in answer && answer.error === 'no-such-secret';
}
