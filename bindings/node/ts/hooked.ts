import type { Failure, HookAnswer, HookCall, Landing, Secret, Store } from './binding.js';
import type { ResolutionOptions } from './config.js';
import { SecretStoreError, type ErrorKind } from './errors.js';
import { Flight, asksItself } from './flight.js';
import { givenResolution } from './given.js';
import { attempt, callHook, given, ignore, isPromise, needsPromise, settle } from './hook-call.js';
import { addHook, failed, host, wait, type Hook } from './host.js';
import { native } from './native.js';
import type { Reads } from './reads.js';
import { isFailure, kindOf, orThrow, toErrorOf } from './thrown.js';
import type { Resolved } from './value.js';

/** Kinds of errors that the last good value must not hide: the hook, or who made it, is wrong. */
const MISTAKES = new Set<ErrorKind>(['conflict', 'invalid_name', 'invalid_reference', 'invalid_config', 'unsupported']);

/** As a store that has no engine would do it: the hook is called when its caller needs it, and always then. */
const DEFAULTS = { ttlJitter: 0, refreshAhead: 1, negativeTtl: 0 } satisfies ResolutionOptions;

/** The longest time that a timer takes, in milliseconds; one that is set for longer fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * @internal A store whose hook is JavaScript.
 *
 * Whoever needs a value that is not in the cache claims its fetch from the engine, calls the hook itself, and lands the
 * answer for everyone. The engine has the hook called when it asks by itself, for an activation or a refresh.
 */
export class HookReads implements Reads, Hook {
  readonly store: Store;
  readonly #resolve: (name: string) => Resolved | PromiseLike<Resolved>;
  readonly #timeout: number;
  /** The calls of the hook that are under way. */
  readonly #flights = new Map<string, Flight>();

  constructor(id: string, options: ResolutionOptions, resolve: (name: string) => Resolved | PromiseLike<Resolved>) {
    this.#resolve = resolve;
    this.store = orThrow(native.openHook(host, addHook(this), id, givenResolution({ ...DEFAULTS, ...defined(options) })));
    const { fetchTimeout = '5s' } = options;
    this.#timeout = Math.min(native.grammarDuration(String(fetchTimeout)) ?? 5000, LONGEST_TIMER);
  }

  text(name: string): string | Failure {
    const secret = this.secret(name);
    return isFailure(secret) ? secret : secret.value;
  }

  secret(name: string): Secret | Failure {
    const claim = this.store.claim(name);
    // Where this thread is calling the hook for this very name, it cannot wait for itself.
    const isOwn = this.#flights.has(name);
    if (claim instanceof native.Landing) {
      return isOwn ? this.#land(name, claim, failed(asksItself(name))) : this.#lead(name, claim);
    }
    if (!(claim instanceof native.Waiting)) return claim;
    if (isOwn) throw asksItself(name);
    return wait(claim.work());
  }

  async secretLater(name: string): Promise<Secret | Failure> {
    // The engine is asked first: a flight that began before the cache was cleared is not to be joined.
    const claim = this.store.claim(name);
    if (claim instanceof native.Landing) return await this.#leadLater(name, claim, () => this.#resolve(name));
    if (!(claim instanceof native.Waiting)) return claim;
    const flight = this.#flights.get(name);
    const leave = flight?.board(name);
    try {
      return await (flight?.answer ?? claim.work().promise());
    } finally {
      leave?.();
    }
  }

  async preload(names: readonly string[]): Promise<undefined> {
    const outcomes = await Promise.all(names.map((name) => this.secretLater(name)));
    const errors = outcomes.flatMap((outcome, at) => (isFailure(outcome) ? [toErrorOf(names[at], outcome)] : []));
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) {
      const message = `${errors.length} secrets could not be fetched`;
      throw new SecretStoreError(kindOf(errors[0]), message, { errors: errors.filter((error) => error instanceof Error) });
    }
  }

  serve(call: HookCall, isBlocked: boolean): void {
    const flight = new Flight();
    this.#flights.set(call.name, flight);
    callHook(
      () => flight.run(() => this.#resolve(call.name)),
      call.name,
      isBlocked,
      (answer, isOwn) => {
        this.#landed(call.name, flight);
        if (isOwn && isMistake(answer)) this.store.invalidate(call.name);
        host.answer(call.call, answer);
      },
    );
  }

  /** Calls the hook on this thread, and lands what it gives. */
  #lead(name: string, landing: Landing): Secret | Failure {
    const flight = new Flight();
    this.#flights.set(name, flight);
    const found = attempt(() => this.#resolve(name));
    this.#flights.delete(name);
    if ('error' in found) return this.#land(name, landing, failed(found.error));
    const { value } = found;
    if (!isPromise(value)) return this.#land(name, landing, given(value));
    // It is under way now: those who can wait for it shall have it.
    ignore(this.#leadLater(name, landing, () => value));
    throw needsPromise(name);
  }

  /** Calls the hook, and lands what it gives in the end. */
  async #leadLater(
    name: string,
    landing: Landing,
    resolve: () => Resolved | PromiseLike<Resolved>,
  ): Promise<Secret | Failure> {
    const flight = new Flight();
    const leave = flight.board(name);
    this.#flights.set(name, flight);
    flight.answer = this.#fly(flight, name, landing, resolve);
    try {
      return await flight.answer;
    } finally {
      leave();
    }
  }

  async #fly(
    flight: Flight,
    name: string,
    landing: Landing,
    resolve: () => Resolved | PromiseLike<Resolved>,
  ): Promise<Secret | Failure> {
    // The flight is known by its answer before its hook is called.
    await undefined;
    const found = attempt(() => flight.run(resolve));
    const answer = 'error' in found ? failed(found.error) : await this.#inTime(found.value);
    this.#landed(name, flight);
    return this.#land(name, landing, answer);
  }

  /** Gives what the hook gave to everyone. What is neither an answer nor an outage ends what is held of the name. */
  #land(name: string, landing: Landing, answer: HookAnswer): Secret | Failure {
    const outcome = landing.land(answer);
    if (!isMistake(answer)) return outcome;
    this.store.invalidate(name);
    return { kind: answer.kind, thrown: answer.thrown, message: "the store's own code failed" };
  }

  #landed(name: string, flight: Flight): void {
    if (this.#flights.get(name) === flight) this.#flights.delete(name);
  }

  /** What a hook gives, if it gives it in time. */
  async #inTime(found: Resolved | PromiseLike<Resolved>): Promise<HookAnswer> {
    if (!isPromise(found)) return given(found);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<HookAnswer>((resolve) => {
      timer = setTimeout(() => {
        resolve(failed(new SecretStoreError('unavailable', `no answer within ${this.#timeout} ms`)));
      }, this.#timeout);
    });
    const answer = await Promise.race([settle(found), late]);
    clearTimeout(timer);
    return answer;
  }
}

function isMistake(answer: HookAnswer): answer is HookAnswer & { kind: ErrorKind; thrown: number } {
  return answer.kind !== undefined && MISTAKES.has(answer.kind);
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
