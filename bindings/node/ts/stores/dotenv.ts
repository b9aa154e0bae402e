import type { ConnectorOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link DotenvSecretStore}. */
export interface DotenvSecretStoreConfig extends ConnectorOptions {
  /** The file; one that is not there has no secrets, and the first `set` makes it. Default: `'.env'`. */
  filePath?: string;
  /** Whether the file wins over an environment variable of the same name. Default: `false`. */
  overrideEnv?: boolean;
}

/**
 * A `.env` file beside the environment. Edits keep comments, order and quotes.
 *
 * Connector ID: `modelmesh.dotenv.v1`.
 */
export class DotenvSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.dotenv.v1';

  constructor(options: DotenvSecretStoreConfig = {}) {
    super('modelmesh.dotenv.v1', options);
  }
}
