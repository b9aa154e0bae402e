import type { ConnectorOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link EncryptedFileSecretStore}. */
export interface EncryptedFileSecretStoreConfig extends ConnectorOptions {
  /** The file. The first `set` makes it. */
  filePath: string;
  /** The key is derived from it. Default: the variable `MODELMESH_PASSPHRASE`. */
  passphrase?: string;
  /** The key itself, as 64 hex digits; wins over the passphrase. */
  encryptionKey?: string;
  /** How often the passphrase is hashed; every reader of the file must use the same number. Default: `600_000`. */
  pbkdf2Iterations?: number;
}

/**
 * A file encrypted with AES-256-GCM. Each `set` and `delete` is written at once, and durable when it returns.
 *
 * Connector ID: `modelmesh.encrypted-file.v1`.
 */
export class EncryptedFileSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'modelmesh.encrypted-file.v1';

  constructor(options: EncryptedFileSecretStoreConfig) {
    super('modelmesh.encrypted-file.v1', options);
  }

  /** Does nothing: what was set is written already. It is here for programs that call it. */
  save(): void {}
}
