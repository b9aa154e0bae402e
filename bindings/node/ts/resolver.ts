import type { Refusal, Resolver, Work, Failure, Generation as NativeGeneration } from './binding.js';
import { SecretStoreError } from './errors.js';
import { Generation, type ActivationReason } from './generation.js';
import { host, valueOf, wait } from './host.js';
import { native } from './native.js';
import './registered.js';
import { registeredConnectors } from './registry.js';
import { Template } from './template.js';
import { requireText } from './text.js';
import { isFailure, orThrow, toError } from './thrown.js';
import type { SecretValue } from './value.js';
import { Watch } from './watch.js';

/** What came of a value that the upstream API refused. */
export interface AuthFailure {
  /**
   * - `rotated`: there is another value; try once more with it.
   * - `fell_back`: the store has no other value, but the version before is still at hand; try once more with it.
   * - `unchanged`: the store has this value and no other; fail over.
   * - `unavailable`: the store could not be asked, or has the value no more; fail over.
   */
  readonly outcome: 'rotated' | 'fell_back' | 'unchanged' | 'unavailable';
  /** What to try once more with, where a reference was reported. */
  readonly value?: SecretValue;
  /** What to try once more with, where a generation was reported. */
  readonly generation?: Generation;
  /** Why the store could not be asked. */
  readonly error?: unknown;
}

/**
 * Resolves the references of a configuration, at its start and from then on.
 *
 * A reference is `${secrets:name}`, `${secrets.store:name#field}` and so on; where a call takes a reference, a bare name is
 * one of the default store. Each call has a form with `Async` at its end, which does not block this thread.
 */
export class SecretResolver {
  readonly #native: Resolver;

  private constructor(resolver: Resolver) {
    this.#native = resolver;
  }

  /**
   * Reads a configuration file (YAML, JSON or TOML), resolves every reference in it, and activates its providers.
   *
   * @throws {SecretStoreError} With everything that is wrong: in the file, missing, refused, or down.
   */
  static fromConfig(path: string): SecretResolver {
    return new SecretResolver(orThrow(wait(opening(path))));
  }

  /** As {@link fromConfig}, without blocking this thread. */
  static async fromConfigAsync(path: string): Promise<SecretResolver> {
    return new SecretResolver(orThrow(await opening(path).promise()));
  }

  /**
   * A text with values in place of its references. One that is missing is `''` where its store has `fail_on_missing: false`.
   *
   * @throws {SecretStoreError} If a reference has no value.
   */
  resolve(text: string): string {
    return first(orThrow(wait(this.#native.resolve([requireText(text, 'a text')]))));
  }

  /** As {@link resolve}, without blocking this thread. */
  async resolveAsync(text: string): Promise<string> {
    return first(orThrow(await this.#native.resolve([requireText(text, 'a text')]).promise()));
  }

  /**
   * A new configuration, with values in place of the references in all texts of `config`, at any depth. `config` itself
   * is not touched. Each reference is asked for once, and stores are asked side by side.
   *
   * Its section `secrets` is passed on as it is: what stands there is for stores to be opened with.
   *
   * @throws {SecretStoreError} With everything that has no value.
   */
  resolveAll<T>(config: T): T {
    const template = new Template(config);
    return template.filled(orThrow(wait(this.#native.resolve(texts(template))))) as T;
  }

  /** As {@link resolveAll}, without blocking this thread. */
  async resolveAllAsync<T>(config: T): Promise<T> {
    const template = new Template(config);
    return template.filled(orThrow(await this.#native.resolve(texts(template)).promise())) as T;
  }

  /**
   * The value of a reference, with its version and expiry.
   *
   * @throws {SecretStoreError} If it has no value.
   */
  get(reference: string): SecretValue {
    return valueOf(orThrow(wait(this.#native.get(requireText(reference, 'a reference')))));
  }

  /** As {@link get}, without blocking this thread. */
  async getAsync(reference: string): Promise<SecretValue> {
    return valueOf(orThrow(await this.#native.get(requireText(reference, 'a reference')).promise()));
  }

  /** Forgets what is cached of a reference: the next reader asks its store. */
  invalidate(reference: string): void {
    orThrow(wait(this.#native.invalidate(requireText(reference, 'a reference'))));
  }

  /** As {@link invalidate}, without blocking this thread. */
  async invalidateAsync(reference: string): Promise<void> {
    orThrow(await this.#native.invalidate(requireText(reference, 'a reference')).promise());
  }

  /** The IDs of the providers, in the order of the file. */
  get providers(): string[] {
    return this.#native.providers();
  }

  /**
   * The values that a provider has now: to be taken anew for each request. No I/O.
   *
   * @throws {SecretStoreError} If the provider is inactive, with the reason. It comes back by itself.
   */
  current(providerId: string): Generation {
    return new Generation(orThrow(this.#native.current(requireText(providerId, "a provider's ID"))));
  }

  /**
   * Re-resolves the references of a provider past the cache, and swaps its values: all of them, or none.
   *
   * @throws {SecretStoreError} If a reference has no value. What the provider had stays in use.
   */
  activate(providerId: string, reason: ActivationReason = 'manual'): Generation {
    return new Generation(orThrow(wait(this.#activation(providerId, reason))));
  }

  /** As {@link activate}, without blocking this thread. */
  async activateAsync(providerId: string, reason: ActivationReason = 'manual'): Promise<Generation> {
    return new Generation(orThrow(await this.#activation(providerId, reason).promise()));
  }

  /**
   * Activates every provider: as many generations, in the order of {@link providers}.
   *
   * @throws {SecretStoreError} If one could not be activated, after all were tried.
   */
  reload(): Generation[] {
    return generations(wait(this.#native.reload()));
  }

  /** As {@link reload}, without blocking this thread. */
  async reloadAsync(): Promise<Generation[]> {
    return generations(await this.#native.reload().promise());
  }

  /**
   * Reports that the upstream API refused a value: that of a reference with its version, or that of the setting of a
   * provider, by its path, in a generation. The store is asked once for all who report the same.
   *
   * A value without a version is that of a fallback: there is nothing newer to be had, and it is `unchanged`.
   */
  reportAuthFailure(reference: string, version: string | undefined): AuthFailure;
  reportAuthFailure(generation: Generation, path: string): AuthFailure;
  reportAuthFailure(refused: string | Generation, which: string | undefined): AuthFailure {
    const work = this.#report(refused, which);
    return work === undefined ? { outcome: 'unchanged' } : came(orThrow(wait(work)));
  }

  /** As {@link reportAuthFailure}, without blocking this thread. */
  reportAuthFailureAsync(reference: string, version: string | undefined): Promise<AuthFailure>;
  reportAuthFailureAsync(generation: Generation, path: string): Promise<AuthFailure>;
  async reportAuthFailureAsync(refused: string | Generation, which: string | undefined): Promise<AuthFailure> {
    const work = this.#report(refused, which);
    return work === undefined ? { outcome: 'unchanged' } : came(orThrow(await work.promise()));
  }

  /**
   * A live handle on a reference, which yields each new version from now on.
   *
   * @throws {SecretStoreError} If it has no value to begin with.
   */
  watch(reference: string): Watch {
    return new Watch(orThrow(wait(this.#native.watch(requireText(reference, 'a reference')))));
  }

  /** As {@link watch}, without blocking this thread. */
  async watchAsync(reference: string): Promise<Watch> {
    return new Watch(orThrow(await this.#native.watch(requireText(reference, 'a reference')).promise()));
  }

  #activation(providerId: string, reason: ActivationReason): Work<NativeGeneration | Failure> {
    return this.#native.activate(requireText(providerId, "a provider's ID"), requireText(reason, 'a reason'));
  }

  /** Nothing where there is nothing to ask for. */
  #report(refused: string | Generation, which: string | undefined): Work<Refusal | Failure> | undefined {
    if (refused instanceof Generation) {
      return this.#native.reportRefusedSetting(Generation.nativeOf(refused), requireText(which as string, 'a path'));
    }
    const reference = requireText(refused, 'a reference');
    return which === undefined ? undefined : this.#native.reportRefused(reference, requireText(which, 'a version'));
  }
}

function opening(path: string): Work<Resolver | Failure> {
  return native.openResolver(host, requireText(path, 'a path'), registeredConnectors());
}

function first(texts: string[]): string {
  // As many texts come back as were given.
  return texts[0] as string;
}

function texts(template: Template): string[] {
  return template.texts.map((text) => requireText(text, 'a text with references'));
}

function generations(outcomes: (NativeGeneration | Failure)[]): Generation[] {
  const failures = outcomes.filter(isFailure);
  if (failures[0] !== undefined) {
    const errors = failures.map(toError).filter((error) => error instanceof Error);
    throw new SecretStoreError(failures[0].kind, errors.map((error) => error.message).join('; '), { errors });
  }
  return outcomes.map((outcome) => new Generation(orThrow(outcome)));
}

function came({ outcome, secret, generation, failure }: Refusal): AuthFailure {
  return {
    outcome,
    ...(secret && { value: valueOf(secret) }),
    ...(generation && { generation: new Generation(generation) }),
    ...(failure && { error: toError(failure) }),
  };
}
