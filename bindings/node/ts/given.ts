import type { Given, GivenMap } from './binding.js';
import type { ResolutionOptions } from './config.js';
import { requireText } from './text.js';

/** @internal Options as the engine's settings: keys in snake_case, what is undefined left out. */
export function given(options: object): GivenMap {
  if (typeof options !== 'object' || options === null || !isMapping(options)) {
    throw new TypeError('the options of a store must be an object');
  }
  return mapping(Object.entries(options), snakeCase);
}

const RESOLUTION_KEYS = [
  'cacheEnabled',
  'cacheTtlMs',
  'failOnMissing',
  'ttlJitter',
  'refreshAhead',
  'maxStale',
  'negativeTtl',
  'fetchTimeout',
  'retry',
  'breaker',
  'maxInFlight',
  'minRefreshInterval',
  'previousRetain',
  'maxEntries',
] as const satisfies (keyof ResolutionOptions)[];

/** @internal The resolution parameters of options that may hold more, such as those of a subclass. */
export function givenResolution(options: ResolutionOptions): GivenMap {
  return mapping(
    RESOLUTION_KEYS.map((key) => [key, options[key]]),
    snakeCase,
  );
}

function mapping(entries: [string, unknown][], spell: (key: string) => string): GivenMap {
  const set = entries.filter(([, value]) => value !== undefined && value !== null);
  return { keys: set.map(([key]) => spell(requireText(key, "an option's name"))), values: set.map(([key, value]) => setting(key, value)) };
}

function setting(key: string, value: unknown): Given {
  switch (typeof value) {
    case 'string':
      return requireText(value, `the option '${key}'`);
    case 'number':
    case 'boolean':
      return value;
    case 'object':
      // An empty place in a list is no setting either.
      if (Array.isArray(value)) return Array.from(value, (item) => setting(key, item));
      if (value !== null && isMapping(value)) {
        // The names of secrets are names, not keys.
        return mapping(Object.entries(value), key === 'secrets' ? (name) => name : snakeCase);
      }
  }
  throw new TypeError(`the option '${key}' must be a string, a number, a boolean, a list or an object`);
}

/** Whether an object's properties are what it holds: those of a `Map` or a `Date` are not. */
function isMapping(value: object): boolean {
  return Object.getPrototypeOf(value) === null || Object.prototype.toString.call(value) === '[object Object]';
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
