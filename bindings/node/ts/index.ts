export { BaseSecretStore } from './base.js';
export type {
  BaseSecretStoreConfig,
  ConnectorOptions,
  Duration,
  NamingOptions,
  NetworkOptions,
  ResolutionOptions,
} from './config.js';
export { ConnectorSecretStore, ManagedSecretStore } from './connector.js';
export { SecretStoreError, type ErrorKind, type SecretStoreErrorDetails } from './errors.js';
export { FileSecretStore, type FileSecretStoreConfig } from './file.js';
export { Generation, type ActivationReason } from './generation.js';
export type { SecretManagement, SecretResolution, SecretStoreConnector } from './interfaces.js';
export { CONNECTOR_REGISTRY, registerConnector, type SecretStoreClass } from './registry.js';
export { SecretResolver, type AuthFailure } from './resolver.js';
export * from './stores/index.js';
export { SecretValue, type Resolved, type SecretValueDetails } from './value.js';
export { Watch } from './watch.js';
