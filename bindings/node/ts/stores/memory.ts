import type { ConnectorOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link MemorySecretStore}. */
export interface MemorySecretStoreConfig extends ConnectorOptions {
  /** The secrets to start with. They are copied. */
  secrets?: Readonly<Record<string, string>>;
}

/**
 * Secrets in memory, gone with the process: for tests, and for keys that the program was given.
 *
 * Connector ID: `modelmesh.memory-secrets.v1`.
 */
export class MemorySecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.memory-secrets.v1';

  constructor(options: MemorySecretStoreConfig = {}) {
    super('modelmesh.memory-secrets.v1', options);
  }
}
