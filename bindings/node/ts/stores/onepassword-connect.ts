import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link OnePasswordConnectSecretStore}. */
export interface OnePasswordConnectStoreConfig extends NetworkOptions {
  /** The address of the Connect server. Default: the variable `OP_CONNECT_HOST`. */
  serverUrl?: string;
  /** The vault: its ID, or its title to the letter. Default: the variable `OP_VAULT`. */
  vaultId?: string;
  /** A Connect token that may use the vault. Default: the variable `OP_CONNECT_TOKEN`. */
  token?: string;
  /**
   * The field that is a secret's value, or `'*'` for all of them as JSON. Default: `'password'`, else `'credential'`.
   */
  field?: string;
}

/**
 * A vault of 1Password, through a Connect server.
 *
 * Connector ID: `1password.connect.v1`.
 */
export class OnePasswordConnectSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = '1password.connect.v1';

  constructor(options: OnePasswordConnectStoreConfig = {}) {
    super('1password.connect.v1', options);
  }
}
