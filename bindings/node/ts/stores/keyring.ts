import type { ConnectorOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link KeyringSecretStore}. */
export interface KeyringSecretStoreConfig extends ConnectorOptions {
  /** The service under which entries are kept. Default: `'modelmesh'`. */
  serviceName?: string;
}

/**
 * The keyring of the operating system: macOS Keychain, Windows Credential Manager, Secret Service.
 *
 * Connector ID: `modelmesh.keyring.v1`.
 */
export class KeyringSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.keyring.v1';

  constructor(options: KeyringSecretStoreConfig = {}) {
    super('modelmesh.keyring.v1', options);
  }
}
