import type { HookAnswer, HookCall, OpenCall, Work } from './binding.js';
import { SecretStoreError } from './errors.js';
import { native } from './native.js';
import { kindOf, keep } from './thrown.js';
import { requireText } from './text.js';
import { SecretValue, type Resolved } from './value.js';

/** @internal A hook that the engine may have called. */
export interface Hook {
  /** Calls the hook, and answers now or later; now if this thread `isBlocked`. */
  serve(call: HookCall, isBlocked: boolean): void;
}

/** Hooks of stores that the program holds; and those of stores that were made for a configuration, which holds them. */
const hooks = new Map<number, WeakRef<Hook> | { deref(): Hook }>();
const collected = new FinalizationRegistry<number>((number) => hooks.delete(number));
let numbers = 0;
let makeStore: (call: OpenCall) => Hook;

/** @internal This thread, as the engine knows it. */
export const host = new native.Host(() => serve(false));

/** @internal Makes a hook known to the engine, as long as it lives. */
export function addHook(hook: Hook): number {
  numbers += 1;
  hooks.set(numbers, new WeakRef(hook));
  collected.register(hook, numbers);
  return numbers;
}

/** @internal Says how stores of registered connectors are made. */
export function makeStoresBy(make: (call: OpenCall) => Hook): void {
  makeStore = make;
}

function open(call: OpenCall): void {
  for (const released of host.released()) hooks.delete(released);
  try {
    const hook = makeStore(call);
    numbers += 1;
    hooks.set(numbers, { deref: () => hook });
    host.opened(call.call, numbers);
  } catch (error) {
    host.answer(call.call, failed(error));
  }
}

/** @internal Waits for work on this thread, and calls what hooks it needs meanwhile. */
export function wait<T>(work: Work<T>): T {
  for (;;) {
    const outcome = work.block();
    if (outcome !== null) return outcome;
    serve(true);
  }
}

function serve(isBlocked: boolean): void {
  for (let call = host.take(); call !== null; call = host.take()) {
    if ('connector' in call) {
      open(call);
      continue;
    }
    const hook = hooks.get(call.hook)?.deref();
    if (hook !== undefined) hook.serve(call, isBlocked);
    else host.answer(call.call, failed(new SecretStoreError('unavailable', 'the store is not there any more')));
  }
}

/** @internal What a hook gave, for the engine. */
export function answered(found: Resolved): HookAnswer {
  if (found === null || found === undefined) return {};
  if (!(found instanceof SecretValue)) return { secret: { value: requireText(found, "what '_resolve' returns") } };
  return { secret: secretOf(found) };
}

/** @internal A value, for the engine. */
export function secretOf(value: SecretValue): NonNullable<HookAnswer['secret']> {
  const { version, expiresAt } = value;
  return {
    value: requireText(value.value, 'a value'),
    ...(version !== undefined && { version: requireText(version, 'a version') }),
    ...(expiresAt !== undefined && { expiresAt: Number(expiresAt.getTime()) }),
  };
}

/** @internal A value of the engine. */
export function valueOf({ value, version, expiresAt }: NonNullable<HookAnswer['secret']>): SecretValue {
  return new SecretValue(value, { version, expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt) });
}

/** @internal What a hook threw, for the engine. */
export function failed(error: unknown): HookAnswer {
  return { kind: kindOf(error), thrown: keep(error, host.forgotten()) };
}
