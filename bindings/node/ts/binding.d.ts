// Made of the Rust code by scripts/build-native.mjs.

import type { ErrorKind } from './errors.js';

export type Reason = 'init' | 'rotation' | 'recovery' | 'manual';
export type RefusalOutcome = 'rotated' | 'fell_back' | 'unchanged' | 'unavailable';

/** A setting. A mapping is its keys beside its values, so that no key is special. */
export type Given = string | number | boolean | Given[] | GivenMap;
export interface GivenMap {
  keys: string[];
  values: Given[];
}

/**
 * Reads a configuration file, resolves every reference in it, and activates its providers. `connectors` are the IDs of
 * those that JavaScript has.
 */
export function openResolver(host: Host, path: string, connectors: Array<string>): Work<Resolver | Failure>;

/** A backend's name of a logical one, and that in its canonical spelling; or the kind of error. */
export function grammarBackendName(prefix: string, rule: string, name: string): Array<string> | string;

/** A call of a hook, laid on the desk of its thread. */
export interface HookCall {
  /** The number of the call, for its answer. */
  call: number
  /** The number of the hook. */
  hook: number
  /** The name to be looked up. */
  name: string
}

/** A call that may take its time. Nothing happens before one of its two methods is called. */
export declare class Work<T> {
  private constructor();
  /** Starts it, and promises its outcome. */
  promise(): Promise<T>
  /**
  * Starts it, and blocks this thread until it has an outcome, or this thread has a hook to call: then it is `null`,
  * and to be called again afterwards.
  */
  block(): T | null
}

/** A field of a JSON document. */
export function grammarField(document: string, field: string): GrammarAnswer;

/** A live handle on one secret, which yields each new version. */
export declare class Watch {
  private constructor();
  /** The next version; nothing if the handle was closed. */
  next(): Work<Secret | undefined>
  /** Lets the secret go, and ends what waits for its next version. */
  close(): void
}

/** A place among those who wait for a hook that somebody else calls. */
export declare class Waiting {
  private constructor();
  /** Waits for the value. */
  work(): Work<Secret | Failure>
}

/** A secret of a generation. */
export interface HeldSecret {
  /** The reference to it. */
  reference: string
  /** Its value. */
  secret: Secret
}

/** A store of a connector of JavaScript is to be made, for a configuration. */
export interface OpenCall {
  /** The number of the call, for its answer. */
  call: number
  /** The connector's ID. */
  connector: string
  /** What its entry in the file holds. */
  settings: GivenMap
}

/** A store that JavaScript made. */
export declare class Store {
  private constructor();
  /**
  * The memory of the number that changes when copies are to be dropped; `null` where the runtime takes no memory
  * but its own. It may be asked for once.
  */
  epochBuffer(): ArrayBuffer | null
  /** The number that changes when copies are to be dropped. */
  epoch(): number
  /** The value, if it is in the cache. */
  cached(name: string): string | null
  /** The value. Blocks this thread if it is not in the cache; not for stores whose hook is JavaScript. */
  get(name: string): string | Failure
  /** The value, with what the store says about it. */
  fetch(name: string): Work<Secret | Failure>
  /** The value as the backend has it now, past the cache. */
  refresh(name: string): Work<Secret | Failure>
  /** Fetches values into the cache, in as few calls as the store can take. */
  preload(names: Array<string>): Work<undefined | Failure>
  /** Stores a secret, for good. */
  set(name: string, secret: Secret): Work<undefined | Failure>
  /** Removes a secret. */
  delete(name: string): Work<undefined | Failure>
  /** The names of all secrets, sorted. */
  list(): Work<string[] | Failure>
  /** Forgets what is cached of a name. */
  invalidate(name: string): void
  /** Forgets everything that is cached. */
  clear(): void
  /** The value, the duty to call the hook, or a place among those who wait for it. */
  claim(name: string): Secret | Failure | Landing | Waiting
}

/** A text, or the kind of the error that it is not. */
export interface GrammarAnswer {
  /** The text. */
  text?: string
  /** The kind of error. */
  error?: string
}

/** A value with what its store says about it. */
export interface Secret {
  /** The text. */
  value: string
  /** The version. */
  version?: string
  /** The instant after which it must not be used, in milliseconds since 1970. */
  expiresAt?: number
}

/** How long a duration is, in milliseconds; `null` if it is none. */
export function grammarDuration(text: string): number | null;

/** One consistent set of a provider's values. */
export declare class Generation {
  private constructor();
  /** The provider's ID. */
  get provider(): string
  /** Counts the generations of the provider, from 1. */
  get number(): number
  /** Why it was made. */
  get reason(): Reason
  /** When it was made, in milliseconds since 1970. */
  get activatedAt(): number
  /** A setting's text, with values in place of references. */
  setting(path: string): string | null
  /** The first secret in a setting. */
  secret(path: string): HeldSecret | null
}

/** One thread of JavaScript: each has one, and every store and resolver that is made on it belongs to it. */
export declare class Host {
  /** The host of this thread. `ring` is called, in its event loop, when there are calls to [take](Host::take). */
  constructor(ring: () => void)
  /** The next hook to be called, or store to be made. */
  take(): HookCall | OpenCall | null
  /** What a hook gave, or what was thrown where a store was to be made. */
  answer(call: number, answer: HookAnswer): void
  /** The hook of the store that was made. */
  opened(call: number, hook: number): void
  /** The hooks of stores that were made for a configuration, and that nothing will call any more. */
  released(): Array<number>
  /** The numbers of thrown values that nothing refers to any more. */
  forgotten(): Array<number>
}

/** Opens a store of a connector, from the settings of its table and the resolution parameters. */
export function openStore(host: Host, id: string, settings: GivenMap): Store | Failure;

/** Opens a store over the hook of this number, from the resolution parameters. */
export function openHook(host: Host, hook: number, id: string, settings: GivenMap): Store | Failure;

/** The duty to call the hook, for everyone who waits for the value. */
export declare class Landing {
  private constructor();
  /** Gives what the hook gave to everyone who waits; returns what this caller gets. */
  land(answer: HookAnswer): Secret | Failure
}

/** The logical name of a backend's; `null` if there is none. */
export function grammarLogicalName(prefix: string, rule: string, backend: string): string | null;

/** The reference to a name. */
export function grammarReference(name: string): string | null;

/** The resolver of a configuration file. */
export declare class Resolver {
  private constructor();
  /** The texts with values in place of references, asked for in one plan. Fails with everything that fails. */
  resolve(texts: Array<string>): Work<string[] | Failure>
  /** The value of a reference, with what its store says about it. */
  get(reference: string): Work<Secret | Failure>
  /** Forgets what is cached of a reference's document. */
  invalidate(reference: string): Work<undefined | Failure>
  /** A live handle on a reference. */
  watch(reference: string): Work<Watch | Failure>
  /** Reports that the upstream API refused a version of a reference's value. */
  reportRefused(reference: string, version: string): Work<Refusal | Failure>
  /** Reports that the upstream API refused the secret in a setting of a generation. */
  reportRefusedSetting(generation: Generation, path: string): Work<Refusal | Failure>
  /** Re-resolves the references of a provider past the cache, and swaps its generation. */
  activate(provider: string, why: Reason): Work<Generation | Failure>
  /** Activates every provider: as many outcomes, in the order of the configuration. */
  reload(): Work<(Generation | Failure)[]>
  /** The IDs of the providers, in the order of the configuration. */
  providers(): Array<string>
  /** The generation that a provider has now. */
  current(provider: string): Generation | Failure
}

/** What a hook gave: a value, what it threw, or nothing, if there is no such secret. */
export interface HookAnswer {
  /** The value. */
  secret?: Secret
  /** The kind of what it threw. */
  kind?: ErrorKind
  /** The number under which the package keeps what it threw. */
  thrown?: number
}

/** What a scan of a text yields, in order: `{literal}`, the parts of a reference, or `{error}`. */
export function grammarScan(text: string): Array<Record<string, string>>;

/** What an error says. It never holds a value. */
export interface Failure {
  /** The kind, such as `not_found`. */
  kind: ErrorKind
  /** What is wrong, with the store and the name. */
  message: string
  /** The store on which it happened. */
  store?: string
  /** The secret's name. */
  secret?: string
  /** What the reader may try. */
  help?: string
  /** How long the store asked to be left alone. */
  retryAfterMs?: number
  /** The number under which the package keeps what a hook threw. */
  thrown?: number
  /** The failures that this one is made of. */
  parts?: Array<Failure>
}

/** What came of a value that the upstream API refused. */
export interface Refusal {
  /** `rotated`, `fell_back`, `unchanged` or `unavailable`. */
  outcome: RefusalOutcome
  /** The value to try once more with. */
  secret?: Secret
  /** The generation to try once more with. */
  generation?: Generation
  /** Why the store could not be asked. */
  failure?: Failure
}

/** Whether a text is a secret's name. */
export function grammarIsName(text: string): boolean;
