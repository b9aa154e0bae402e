import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link AwsSecretsManagerSecretStore}. */
export interface AwsSecretsManagerStoreConfig extends NetworkOptions {
  /** The region. Default: the variable `AWS_REGION`, else that of the profile or of the machine. */
  region?: string;
  /** The stage of the version that `get` reads. Default: `'AWSCURRENT'`. */
  versionStage?: string;
  /** Where credentials come from. Default: wherever Amazon's own tools find them. */
  auth?: 'iam_role' | 'access_key' | 'profile';
  /** A profile of `~/.aws`, which is then the only place for credentials. */
  profile?: string;
  /** The ID of an access key. Default: the variable `AWS_ACCESS_KEY_ID`. */
  accessKeyId?: string;
  /** Its secret. Default: the variable `AWS_SECRET_ACCESS_KEY`. */
  secretAccessKey?: string;
  /** The session of a temporary key. Default: the variable `AWS_SESSION_TOKEN`. */
  sessionToken?: string;
  /** A role that is assumed with the credentials found. */
  roleArn?: string;
  /** The address of the service, where it is another one. */
  endpoint?: string;
  /** For how many days a deleted secret can be restored: 7 to 30, or 0 to delete it at once. Default: `30`. */
  recoveryWindowDays?: number;
}

/**
 * AWS Secrets Manager.
 *
 * Connector ID: `aws.secrets-manager.v1`.
 */
export class AwsSecretsManagerSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'aws.secrets-manager.v1';

  constructor(options: AwsSecretsManagerStoreConfig = {}) {
    super('aws.secrets-manager.v1', options);
  }
}
