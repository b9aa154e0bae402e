"""Secrets of a Kubernetes cluster. Connector ID: ``kubernetes.secret.v1``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from modelmesh.cdk.connector_secret_store import ManagedSecretStore, NetworkSecretStoreConfig

__all__ = [
    "KubernetesSecretStore",
    "KubernetesSecretStoreConfig",
]


@dataclass(kw_only=True, repr=False)
class KubernetesSecretStoreConfig(NetworkSecretStoreConfig):
    """What a :class:`KubernetesSecretStore` can be configured with.

    Attributes:
        namespace: The namespace. That of the context or of the pod, if none is given.
        secret: The Secret whose keys are the names. Without it, names are written ``SECRET/KEY``.
        context: The context of the kubeconfig.
        kubeconfig: A kubeconfig, which may run no helper programs.
        service_account: The folder of the pod's service account, where it is not the usual one.
    """

    namespace: Optional[str] = None
    secret: Optional[str] = None
    context: Optional[str] = None
    kubeconfig: Optional[str] = None
    service_account: Optional[str] = None


class KubernetesSecretStore(ManagedSecretStore):
    """Secrets of a Kubernetes cluster: a Secret is a document, its keys are fields."""

    CONNECTOR_ID: str = "kubernetes.secret.v1"

    _CONNECTOR = "kubernetes.secret.v1"
    _CONFIG = KubernetesSecretStoreConfig

    def __init__(self, config: KubernetesSecretStoreConfig | None = None) -> None:
        super().__init__(config or KubernetesSecretStoreConfig())
