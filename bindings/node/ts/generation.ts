import type { Generation as NativeGeneration } from './binding.js';
import { valueOf } from './host.js';
import { requireText } from './text.js';
import type { SecretValue } from './value.js';

/** Why a provider is activated. */
export type ActivationReason = 'init' | 'rotation' | 'recovery' | 'manual';

/**
 * One consistent set of a provider's values, published at once. It never changes: take a new one for each request.
 */
export class Generation {
  readonly #native: NativeGeneration;

  /** @internal */
  constructor(native: NativeGeneration) {
    this.#native = native;
  }

  /** @internal */
  static nativeOf(generation: Generation): NativeGeneration {
    return generation.#native;
  }

  /** The provider's ID. */
  get provider(): string {
    return this.#native.provider;
  }

  /** Counts the generations of the provider, from 1. */
  get number(): number {
    return this.#native.number;
  }

  /** Why it was made. */
  get reason(): ActivationReason {
    return this.#native.reason;
  }

  /** When it was made. */
  get activatedAt(): Date {
    return new Date(this.#native.activatedAt);
  }

  /**
   * A setting of the provider, with values in place of references. `path` is `'api_key'`, `'headers.organization'` or
   * `'keys[0]'`.
   *
   * `undefined` if there is no such text, or a reference in it is missing and may be.
   */
  setting(path: string): string | undefined {
    return this.#native.setting(requireText(path, 'a path')) ?? undefined;
  }

  /**
   * The first secret in a setting, as its reference and its value: what to report if the upstream API refuses it.
   *
   * `undefined` if there is none in it, or it is missing and may be.
   */
  secret(path: string): { readonly reference: string; readonly value: SecretValue } | undefined {
    const held = this.#native.secret(requireText(path, 'a path'));
    return held === null ? undefined : { reference: held.reference, value: valueOf(held.secret) };
  }

  toJSON(): object {
    const { provider, number, reason, activatedAt } = this;
    return { provider, number, reason, activatedAt };
  }
}
