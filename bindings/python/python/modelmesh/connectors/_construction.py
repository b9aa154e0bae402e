"""How a class of :data:`CONNECTOR_REGISTRY` becomes a store, from what a configuration file says of it."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, Optional

from modelmesh import connectors
from modelmesh.interfaces.secret_store import InvalidConfigError

#: Parameters of resolution that the engine reads too: not every constructor takes them.
_OF_RESOLUTION = frozenset({"cache_enabled", "cache_ttl_ms", "fail_on_missing"})


def own_classes() -> dict[str, type]:
    """The registered classes that the engine does not open by itself, by their IDs."""
    ours = {id(each) for each in vars(connectors).values() if isinstance(each, type)}
    registry = connectors.CONNECTOR_REGISTRY
    return {
        connector_id: connector
        for connector_id, connector in registry.items()
        if id(connector) not in ours or getattr(connector, "CONNECTOR_ID", None) != connector_id
    }


class _Settings(dict[str, Any]):
    """What a file gives to a class. It may hold credentials, and a traceback may show the variables of every frame."""

    def __repr__(self) -> str:
        return f"<the settings {_listed(list(self))}>"


def make_store(classes: Mapping[str, type], connector_id: str, settings: Mapping[str, Any]) -> object:
    """A store of the class ``connector_id``: with a configuration dataclass, if its ``__init__`` takes one."""
    settings = _Settings(settings)
    connector = classes[connector_id]
    config = _config_class(connector)
    if config is None:
        return connector(**_accepted(connector_id, connector, settings))
    return connector(config(**_accepted(connector_id, config, settings)))


def _config_class(connector: type) -> Optional[type]:
    """The dataclass that the constructor takes as its one argument, by its annotation."""
    parameters = [
        parameter
        for parameter in inspect.signature(connector).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    if len(parameters) != 1 or parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return None
    try:
        annotation = typing.get_type_hints(connector.__init__).get(parameters[0].name)  # type: ignore[misc]
    except (NameError, AttributeError, TypeError):
        # An annotation for type checkers alone, which cannot be looked up.
        return None
    for candidate in _members(annotation):
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return candidate
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _accepted(connector_id: str, target: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that ``target`` takes as keyword arguments; an error names those that it does not."""
    parameters = inspect.signature(target).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(settings)
    known = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    unknown = sorted(settings.keys() - known - _OF_RESOLUTION)
    if unknown:
        raise InvalidConfigError(
            f"{target.__name__} takes no {_listed(unknown)}; it takes {_listed(sorted(known))}",
            kind="invalid_config",
            store=connector_id,
        )
    return {key: value for key, value in settings.items() if key in known}


def _listed(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words) or "settings at all"
