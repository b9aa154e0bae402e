import type { NetworkOptions } from '../config.js';
import { ManagedSecretStore } from '../connector.js';

/** The options of a {@link KubernetesSecretStore}. */
export interface KubernetesSecretStoreConfig extends NetworkOptions {
  /** The namespace. Default: that of the context or of the pod, else `'default'`. */
  namespace?: string;
  /** The Secret whose keys are the names; without it, names are `SECRET/KEY`. */
  secret?: string;
  /** The context of the kubeconfig. Default: the current one. */
  context?: string;
  /** A kubeconfig. Default: the variable `KUBECONFIG`, else `~/.kube/config`, else the pod's service account. */
  kubeconfig?: string;
  /** The folder of the pod's service account, where it is another one. */
  serviceAccount?: string;
}

/**
 * Secrets of Kubernetes.
 *
 * Connector ID: `kubernetes.secret.v1`.
 */
export class KubernetesSecretStore extends ManagedSecretStore {
  static readonly CONNECTOR_ID: string = 'kubernetes.secret.v1';

  constructor(options: KubernetesSecretStoreConfig = {}) {
    super('kubernetes.secret.v1', options);
  }
}
