import type { SecretStoreConnector } from './interfaces.js';
import * as stores from './stores/index.js';

/** A class of stores: what `new` makes of the options under `config:`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type SecretStoreClass = new (options?: any) => SecretStoreConnector;

const OWN = new Map<string, SecretStoreClass>(Object.values(stores).map((store) => [store.CONNECTOR_ID, store]));

/**
 * Every connector by its ID. A class that is put here under an ID of its own is found by that ID from a configuration
 * file.
 */
export const CONNECTOR_REGISTRY: Record<string, SecretStoreClass> = Object.assign(
  // Without a prototype: no ID is special.
  Object.create(null) as Record<string, SecretStoreClass>,
  Object.fromEntries(OWN),
);

/**
 * Registers a connector, in place of one with that ID, if there is one.
 *
 * @throws {TypeError} If the ID is empty, or the class none.
 */
export function registerConnector(id: string, store: SecretStoreClass): void {
  if (typeof id !== 'string' || id === '') throw new TypeError('the ID of a connector must be a string');
  if (typeof store !== 'function') throw new TypeError(`what is registered as '${id}' must be a class`);
  CONNECTOR_REGISTRY[id] = store;
}

/** @internal The IDs of the connectors that are the program's own. */
export function registeredConnectors(): string[] {
  return Object.keys(CONNECTOR_REGISTRY).filter((id) => CONNECTOR_REGISTRY[id] !== OWN.get(id));
}
