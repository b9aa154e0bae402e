import type { ConnectorOptions } from './config.js';
import { ConnectorSecretStore } from './connector.js';

/** The options of a {@link FileSecretStore}. */
export interface FileSecretStoreConfig extends ConnectorOptions {
  /** The file. It must be there. Default: `'.env'`. */
  filePath?: string;
  /** What the file is. Default: `'env'`. */
  format?: 'env' | 'dotenv' | 'json' | 'yaml' | 'toml';
}

/**
 * Secrets in a file that another tool writes. A change of the file is noticed within about a second.
 *
 * In JSON, YAML and TOML, dotted names lead into mappings.
 */
export class FileSecretStore extends ConnectorSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.json-secrets.v1';

  constructor(options: FileSecretStoreConfig = {}) {
    const { filePath = '.env', format = 'env', ...rest } = options;
    super('modelmesh.json-secrets.v1', { ...rest, filePath, format } as ConnectorOptions);
  }
}
