"""The base of the stores that this package has connectors for: the engine does all the work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import ClassVar, Literal, Optional

from modelmesh._native import Store
from modelmesh.cdk._management import Management
from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig

__all__ = [
    "IN_MEMORY",
    "NOT_REMEMBERED",
    "ConnectorSecretStore",
    "ConnectorSecretStoreConfig",
    "ManagedSecretStore",
    "NetworkSecretStoreConfig",
]

#: The connector of a store that was given no file.
IN_MEMORY = "modelmesh.memory-secrets.v1"

#: The setting of stores that do not remember that a name is missing: to look once more costs nothing.
NOT_REMEMBERED: Mapping[str, object] = MappingProxyType({"negative_ttl": "0s"})


@dataclass(kw_only=True)
class ConnectorSecretStoreConfig(BaseSecretStoreConfig):
    """What the stores can be configured with that ModelMesh Lite does not have.

    Attributes:
        prefix: Put before a name to make the backend's name.
        naming: How a name becomes the backend's name. As it is, if none is given.
        resolution: Further parameters ``secret-store.resolution.*``, such as ``{"max_stale": "1h"}``.
    """

    prefix: Optional[str] = None
    naming: Optional[Literal["as-is", "screaming-snake", "kebab"]] = None
    resolution: Mapping[str, object] = field(default_factory=dict)


@dataclass(kw_only=True, repr=False)
class NetworkSecretStoreConfig(ConnectorSecretStoreConfig):
    """What every store behind a network can be configured with. :func:`repr` masks credentials that were put where none
    belong: into an address, or in place of a file's path.

    Attributes:
        ca_cert: A PEM file of certificates that are trusted besides those of the system.
        allow_http: Allow ``http://`` to other machines: whoever is in between reads secrets and credentials.
    """

    ca_cert: Optional[str] = None
    allow_http: Optional[bool] = None

    def __repr__(self) -> str:
        shown = (f"{each.name}={_masked(getattr(self, each.name))!r}" for each in fields(self) if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"


def _masked(value: object) -> object:
    if isinstance(value, str):
        return "***" if value.lstrip().startswith("{") else re.sub("(?<=//).*@", "***@", value, flags=re.DOTALL)
    return [_masked(each) for each in value] if isinstance(value, (list, tuple)) else value


class ConnectorSecretStore(BaseSecretStore):
    """A store of one of this package's connectors.

    A subclass may have a ``_resolve`` of its own, and ask the connector in it by ``super()._resolve(name)``.
    """

    #: The engine's own ID of the connector. ``CONNECTOR_ID`` is the class's, which a subclass may change.
    _CONNECTOR: ClassVar[str]
    #: The class of configuration that has the connector's settings.
    _CONFIG: ClassVar[type[BaseSecretStoreConfig]]
    #: Settings that no configuration changes.
    _FIXED: ClassVar[Mapping[str, object]] = MappingProxyType({})

    _resolve = Store._read

    def __init__(self, config: BaseSecretStoreConfig) -> None:
        self._config = config
        self._open_unopened()

    def _open_unopened(self) -> None:
        if hasattr(self, "_config"):
            self._open(self._CONNECTOR)

    def _open(
        self,
        connector: str,
        *,
        fixed: Mapping[str, object] = MappingProxyType({}),
        unsaved: bool = False,
        beside: Optional[BaseSecretStore] = None,
    ) -> None:
        config = self._config
        hook = None
        if type(self)._resolve is not Store._read or "_resolve" in vars(self):
            hook = (bool(config.cache_enabled), float(config.cache_ttl_ms))
        own, fixed = self._CONFIG, {**self._FIXED, **fixed}
        if connector == IN_MEMORY:
            # It stands in where there is no file, and knows none of the file's settings.
            own, fixed = BaseSecretStoreConfig, NOT_REMEMBERED
        names = [each.name for each in fields(own) if each.name != "secrets"]
        self._open_connector(connector, config, names, fixed, hook=hook, unsaved=unsaved, beside=beside)


class ManagedSecretStore(ConnectorSecretStore, Management):
    """A store of a connector that can be written."""
