import type { HookAnswer } from './binding.js';
import { SecretStoreError } from './errors.js';
import { answered, failed } from './host.js';
import type { Resolved } from './value.js';

/**
 * @internal Calls a hook for the engine, and answers now or when its promise settles; now if this thread `isBlocked`.
 * `answer` is told whether it is the hook's own.
 */
export function callHook(
  hook: () => Resolved | PromiseLike<Resolved>,
  name: string,
  isBlocked: boolean,
  answer: (answer: HookAnswer, isOwn: boolean) => void,
): void {
  const found = attempt(hook);
  if ('error' in found) answer(failed(found.error), true);
  else if (!isPromise(found.value)) answer(given(found.value), true);
  else if (isBlocked) {
    // No promise settles on a thread that waits.
    ignore(found.value);
    answer(failed(needsPromise(name)), false);
  } else void settle(found.value).then((settled) => answer(settled, true));
}

/** @internal What a function returns, or what it throws. */
export function attempt<T>(task: () => T): { value: T } | { error: unknown } {
  try {
    return { value: task() };
  } catch (error) {
    return { error };
  }
}

/** @internal What a hook gave, for the engine; its failure if it is nothing that a hook may give. */
export function given(found: Resolved): HookAnswer {
  const answer = attempt(() => answered(found));
  return 'error' in answer ? failed(answer.error) : answer.value;
}

/** @internal What a hook's promise comes to, for the engine. */
export async function settle(found: PromiseLike<Resolved>): Promise<HookAnswer> {
  try {
    return given(await found);
  } catch (error) {
    return failed(error);
  }
}

/** @internal Lets a promise fail without anyone who looks. */
export function ignore(promise: PromiseLike<unknown>): void {
  // Adopted, for what only looks like a promise may throw here.
  Promise.resolve(promise).catch(() => {});
}

/** @internal Whether a hook gave a promise. */
export function isPromise(found: Resolved | PromiseLike<Resolved>): found is PromiseLike<Resolved> {
  if (typeof found !== 'object' || found === null) return false;
  const then = attempt(() => 'then' in found && found.then);
  // What throws when it is looked at is nothing that a hook may give.
  return 'value' in then && typeof then.value === 'function';
}

/** @internal The error of a synchronous call of a hook that gave a promise. */
export function needsPromise(name: string): SecretStoreError {
  const message = "the store's '_resolve' returned a promise, which a synchronous call cannot wait for";
  return new SecretStoreError('unsupported', message, {
    secret: name,
    help: "call the form with 'Async' at its end, or 'preload' the name",
  });
}
