import type { ConnectorOptions } from '../config.js';
import { ConnectorSecretStore } from '../connector.js';

/** The options of an {@link EnvSecretStore}. */
export type EnvSecretStoreConfig = ConnectorOptions;

/**
 * Environment variables: `openai-key` is the variable of that name, or else `OPENAI_KEY`.
 *
 * They are read when asked, and not cached unless `cacheEnabled` is true. In a worker, they are those of the process, not the
 * worker's copy.
 *
 * Connector ID: `modelmesh.env.v1`.
 */
export class EnvSecretStore extends ConnectorSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.env.v1';

  constructor(options: EnvSecretStoreConfig = {}) {
    super('modelmesh.env.v1', { ...options, cacheEnabled: options.cacheEnabled ?? false });
  }
}
