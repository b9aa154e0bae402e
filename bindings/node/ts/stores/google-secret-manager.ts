import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link GoogleSecretManagerSecretStore}. */
export interface GoogleSecretManagerStoreConfig extends NetworkOptions {
  /** The project's ID or number. Default: the variable `GOOGLE_CLOUD_PROJECT`, else that of the credentials. */
  project?: string;
  /** The location of regional secrets. Default: none, for global secrets. */
  location?: string;
  /** How to log in. Default: `'application_default'`. */
  auth?: 'application_default' | 'service_account' | 'anonymous';
  /** A file of credentials, in JSON. */
  credentialsFile?: string;
  /** The address of the service, where it is another one. */
  endpoint?: string;
  /** Where a secret that `set` makes is kept: `'automatic'`, or a list of locations. Default: `'automatic'`. */
  replication?: string | readonly string[];
}

/**
 * Google Secret Manager.
 *
 * Connector ID: `google.secret-manager.v1`.
 */
export class GoogleSecretManagerSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'google.secret-manager.v1';

  constructor(options: GoogleSecretManagerStoreConfig = {}) {
    super('google.secret-manager.v1', options);
  }
}
