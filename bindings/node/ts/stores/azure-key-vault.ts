import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link AzureKeyVaultSecretStore}. */
export interface AzureKeyVaultStoreConfig extends NetworkOptions {
  /** The vault's address. */
  vaultUrl: string;
  /** How to log in. Default: `'default'`. */
  auth?: 'default' | 'managed_identity' | 'workload_identity' | 'client_secret' | 'cli';
  /** The directory of the application that logs in. Default: the variable `AZURE_TENANT_ID`. */
  tenantId?: string;
  /** The application. Default: the variable `AZURE_CLIENT_ID`. */
  clientId?: string;
  /** The application's secret. Default: the variable `AZURE_CLIENT_SECRET`. */
  clientSecret?: string;
  /** Where tokens are given. Default: `'https://login.microsoftonline.com'`. */
  authorityHost?: string;
  /** Whether the vault must be under the domain of the service that it asks a token for. Default: `true`. */
  verifyChallengeResource?: boolean;
}

/**
 * Azure Key Vault.
 *
 * Connector ID: `microsoft.key-vault.v1`.
 */
export class AzureKeyVaultSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'microsoft.key-vault.v1';

  constructor(options: AzureKeyVaultStoreConfig) {
    super('microsoft.key-vault.v1', options);
  }
}
