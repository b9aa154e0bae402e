import type { Failure } from './binding.js';
import { SecretStoreError, notFound, type ErrorKind } from './errors.js';

/**
 * What hooks threw, under the numbers by which the engine knows it. The engine hands an error to everyone who waited,
 * and each of them is to get the very value that was thrown.
 */
const thrown = new Map<number, unknown>();
let numbers = 0;

/** @internal Keeps what a hook threw; `forgotten` are those that no error of the engine refers to any more. */
export function keep(value: unknown, forgotten: readonly number[]): number {
  // Later: an error may have just been told, to somebody who looks after a few promises.
  if (forgotten.length > 0) setImmediate(() => forgotten.forEach((number) => thrown.delete(number))).unref();
  numbers = (numbers + 1) >>> 0;
  thrown.set(numbers, value);
  return numbers;
}

/** @internal The error of a failure: what a hook threw, or one that says what the failure says. */
export function toError(failure: Failure): unknown {
  if (failure.thrown !== undefined && thrown.has(failure.thrown)) return thrown.get(failure.thrown);
  const errors = failure.parts?.map(toError).filter((error) => error instanceof Error);
  return new SecretStoreError(failure.kind, failure.message, { ...detailsOf(failure), errors });
}

/** @internal As {@link toError}, for a call that asked for this name. */
export function toErrorOf(name: string | undefined, failure: Failure): unknown {
  if (name !== undefined && failure.kind === 'not_found' && failure.thrown === undefined) return notFound(name, detailsOf(failure));
  return toError(failure);
}

function detailsOf({ store, secret, help, retryAfterMs }: Failure) {
  return { store, secret, help, retryAfterMs };
}

/** @internal Whether a call failed. */
export function isFailure(outcome: unknown): outcome is Failure {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome;
}

/** @internal The outcome, unless it is a failure. */
export function orThrow<T>(outcome: T | Failure): T {
  if (isFailure(outcome)) throw toError(outcome);
  return outcome;
}

const UNREACHABLE = /^(E(CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|AI_)|UND_ERR_|ENOTFOUND)/;

/**
 * @internal What an exception of a hook means to the engine: whether the last good value may be served instead, and
 * whether another try is worth it.
 */
export function kindOf(error: unknown): ErrorKind {
  try {
    return kindIn(error) ?? 'unsupported';
  } catch {
    // What throws when it is looked at says nothing.
    return 'unsupported';
  }
}

function kindIn(error: unknown): ErrorKind | undefined {
  if (error instanceof SecretStoreError) return typeof error.kind === 'string' ? error.kind : undefined;
  // 'fetch' wraps what happened. In another realm, such as a test runner's sandbox, errors of Node are no 'Error' of ours.
  for (let cause = error, depth = 0; typeof cause === 'object' && cause !== null && depth < 5; depth += 1) {
    const { name, code, syscall, cause: next } = cause as Partial<NodeJS.ErrnoException>;
    if (name === 'TimeoutError' || (typeof code === 'string' && UNREACHABLE.test(code))) return 'unavailable';
    if (typeof syscall === 'string') return 'io';
    cause = next;
  }
  return undefined;
}
