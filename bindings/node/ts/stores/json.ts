import type { ConnectorOptions } from '../config.js';
import { ConnectorSecretStore } from '../connector.js';

/** The options of a {@link JsonSecretStore}. */
export interface JsonSecretStoreConfig extends ConnectorOptions {
  /** The file. It must be there. */
  filePath: string;
  /** The mapping in which names are looked up: a dotted path. Default: the whole file. */
  jsonPath?: string;
}

/**
 * Secrets in a JSON file; dotted names lead into it.
 *
 * Connector ID: `modelmesh.json-secrets.v1`.
 */
export class JsonSecretStore extends ConnectorSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.json-secrets.v1';

  constructor(options: JsonSecretStoreConfig) {
    super('modelmesh.json-secrets.v1', options);
  }
}
