/** A duration: `'500ms'`, `'30s'`, `'5m'`, `'1h30m'`, `'2d'`, or a whole number of seconds. */
export type Duration = string | number;

/** How a store's values are cached and refreshed. */
export interface ResolutionOptions {
  /** Keep resolved values in memory. Default: `true`. */
  cacheEnabled?: boolean;
  /** How long a value is served without asking again, in milliseconds; an upper bound. Default: `300_000`. */
  cacheTtlMs?: number;
  /** Whether `get` of a missing name throws; it returns `''` otherwise. Default: `true`. */
  failOnMissing?: boolean;
  /** The share of the TTL by which expiry is spread, only earlier. Default: `0.1`; `0` where `_resolve` is your own. */
  ttlJitter?: number;
  /**
   * The share of the TTL after which a value in use is refreshed in the background. Default: `0.8`; `1` (not at all)
   * where `_resolve` is your own.
   */
  refreshAhead?: number;
  /** How long past its last validation a value is served while the store cannot answer. Default: `'2h'`. */
  maxStale?: Duration;
  /** How long a 'not found' is remembered. Default: `'10s'`; `0` where `_resolve` is your own. */
  negativeTtl?: Duration;
  /** The time of one fetch with all its retries. Default: `'5s'`. */
  fetchTimeout?: Duration;
  /** Retries of one fetch. Default: 3 tries, with pauses from `'100ms'` to `'2s'`. */
  retry?: { tries?: number; base?: Duration; max?: Duration };
  /** When a store that fails is left alone. Default: for `'10s'` after 5 failures. */
  breaker?: { failures?: number; open?: Duration };
  /** Concurrent calls of the store. Default: `8`. */
  maxInFlight?: number;
  /** Forced refreshes of one name within this time are one. Default: `'5s'`. */
  minRefreshInterval?: Duration;
  /** How long the version before stays usable after a rotation. Default: `'300s'`. */
  previousRetain?: Duration;
  /** The most entries that the cache holds. Default: `100_000`. */
  maxEntries?: number;
}

/** The configuration of a {@link BaseSecretStore}. */
export interface BaseSecretStoreConfig extends ResolutionOptions {
  /** Secrets in memory, which `_resolve` looks names up in, unless it is overridden. Changes of the object count. */
  secrets?: Readonly<Record<string, string>>;
}

/** How a logical name becomes the backend's name. */
export interface NamingOptions {
  /** Put before a logical name to make the backend's name. */
  prefix?: string;
  /** The spelling of the backend's names. Default: `'as-is'`. */
  naming?: 'as-is' | 'screaming-snake' | 'kebab';
}

/** What every connector's store can be given. */
export interface ConnectorOptions extends ResolutionOptions, NamingOptions {}

/** What every store behind a network can be given. */
export interface NetworkOptions extends ConnectorOptions {
  /** A PEM file of certificates that are trusted besides those of the system. */
  caCert?: string;
  /** Whether `http://` is allowed to other machines: whoever is in between reads secrets and credentials. */
  allowHttp?: boolean;
}
