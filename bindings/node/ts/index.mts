// The same module instance in both module systems: an error of one is an `instanceof` of the other.
export * from './index.js';
