import type { ConnectorOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link AgeFileSecretStore}. */
export interface AgeFileSecretStoreConfig extends ConnectorOptions {
  /** The file. Default: `'secrets.age'`. */
  path?: string;
  /**
   * An identity file, or an SSH private key. Default: the variables `MODELMESH_IDENTITY`, `MODELMESH_IDENTITY_FILE`, or the
   * user's own.
   */
  identity?: string;
  /** Whom a new file is encrypted to: `age1…`, SSH public keys, or `passphrase`. Default: the identity's own. */
  recipients?: string | readonly string[];
  /** Opens a file encrypted to a passphrase. Default: the variable `MODELMESH_PASSPHRASE`. */
  passphrase?: string;
}

/**
 * One file that the standard `age` tool can open.
 *
 * Connector ID: `modelmesh.age-file.v1`.
 */
export class AgeFileSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.age-file.v1';

  constructor(options: AgeFileSecretStoreConfig = {}) {
    super('modelmesh.age-file.v1', options);
  }
}
