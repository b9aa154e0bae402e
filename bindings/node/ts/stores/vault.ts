import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** How to log in to Vault. `mount` is where the method is mounted, if that is not its name. Files are read at each login. */
export type VaultLogin =
  | { method: 'approle'; roleId: string; secretId?: string; secretIdFile?: string; mount?: string }
  | { method: 'kubernetes'; role: string; jwt?: string; jwtFile?: string; mount?: string }
  | { method: 'userpass'; username: string; password: string; mount?: string }
  | { method: 'jwt'; jwt?: string; jwtFile?: string; role?: string; mount?: string };

/** The options of a {@link VaultSecretStore}. */
export interface VaultSecretStoreConfig extends NetworkOptions {
  /** The address of the server. Default: the variable `BAO_ADDR`, else `VAULT_ADDR`. */
  address?: string;
  /** The addresses of the servers of a cluster: if one does not answer, the next is asked. */
  addresses?: readonly string[];
  /** A token. Default: the variable `BAO_TOKEN`, else `VAULT_TOKEN`. */
  token?: string;
  /** A file with a token, read again when it is refused. */
  tokenFile?: string;
  /** How to log in, in place of a token. */
  auth?: VaultLogin;
  /** The namespace of the mount and of the login. Default: the variable `BAO_NAMESPACE`, else `VAULT_NAMESPACE`. */
  namespace?: string;
  /** Where the key/value engine is mounted. Default: `'secret'`. */
  mount?: string;
  /** The version of the key/value engine. Default: asked of the server once. */
  kvVersion?: 1 | 2;
  /** The field of a document that is the secret; `'*'` is the whole document, as JSON. Default: `'value'`. */
  field?: string;
}

/**
 * Documents of a key/value engine of HashiCorp Vault or OpenBao.
 *
 * Connector ID: `hashicorp.vault.v1`.
 */
export class VaultSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'hashicorp.vault.v1';

  constructor(options: VaultSecretStoreConfig = {}) {
    super('hashicorp.vault.v1', options);
  }
}
