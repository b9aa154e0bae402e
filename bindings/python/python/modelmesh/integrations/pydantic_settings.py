"""Fields of a pydantic settings class, filled from a secret store.

::

    class Settings(BaseSettings):
        openai_api_key: SecretStr
        database_password: Annotated[SecretStr, Secret("postgres/password")]
        region: str = "eu-west-1"

        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, env_settings, **_):
            return init_settings, env_settings, SecretStoreSettingsSource(settings_cls, EnvSecretStore())

A `SecretStr` field is the secret of the field's own name, and `Secret` names another. Fields of other types are left
to other sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from modelmesh.interfaces.secret_store import InvalidNameError, SecretResolution

__all__ = ["Secret", "SecretStoreSettingsSource"]


@dataclass(frozen=True)
class Secret:
    """Says, in `Annotated[SecretStr, Secret("postgres/password")]`, which secret a field is.

    With `SecretResolver.resolve` as the source of values, it may be a whole reference: `${secrets.prod:db#password}`.
    """

    name: str


class SecretStoreSettingsSource(PydanticBaseSettingsSource):
    """A source of settings that asks a secret store for each field of type `SecretStr`.

    - Only fields that no source before this one has filled are asked for.
    - A secret that the store does not have leaves its field to the sources after this one, and to the field's default.
    - Every other error of the store passes through unchanged: an outage is not a default.
    - A store with `fail_on_missing=False` has an answer for every name, and fills the fields of missing ones with `""`.
    - Values reach pydantic as `SecretStr`, so that no validation error shows one. This is why a field of another type
      cannot be marked with `Secret`.
    - A nested model is not looked into.

    Settings are read once. An application that should follow rotations keeps the store, or a `SecretResolver`.
    """

    def __init__(self, settings_cls: type[BaseSettings], secrets: SecretResolution | Callable[[str], str]) -> None:
        """Makes a source over a store, or over a function from a name to a value such as `SecretResolver.resolve`.

        Raises:
            SettingsError: If a field is marked with `Secret` and is not a `SecretStr`.
        """
        super().__init__(settings_cls)
        self._get = secrets.get if isinstance(secrets, SecretResolution) else secrets
        self._names = _secret_fields(settings_cls)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[SecretStr | None, str, bool]:
        """The secret of a field, or `None` if the field is no secret or the store does not have it."""
        name = self._names.get(field_name)
        if name is None:
            return None, field_name, False
        try:
            return SecretStr(self._get(name)), field_name, False
        except InvalidNameError:
            # No store has such a secret: whoever marked the field made a mistake.
            raise
        except KeyError:
            return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The fields for which there is a secret, under the keys that the model takes them by."""
        filled: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            keys = self._keys(field, field_name)
            if self.current_state.keys() & keys:
                continue
            value, _, _ = self.get_field_value(field, field_name)
            if value is not None:
                filled[keys[0]] = value
        return filled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._names)})"

    def _keys(self, field: FieldInfo, field_name: str) -> list[str]:
        """The keys by which the model takes a field, the one that it prefers first."""
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        aliases = [choice for choice in choices if isinstance(choice, str)]
        return [*aliases, field_name] if self.config.get("validate_by_alias", True) else [field_name]


def _secret_fields(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """The names of the secrets, by field."""
    names: dict[str, str] = {}
    for field_name, field in settings_cls.model_fields.items():
        types, marks = _parts(field.annotation)
        name = next((mark.name for mark in [*field.metadata, *marks] if isinstance(mark, Secret)), None)
        if types == {SecretStr}:
            names[field_name] = field_name if name is None else name
        elif name is not None:
            raise SettingsError(
                f"the field '{field_name}' of {settings_cls.__name__} is a secret: make it a SecretStr, "
                "for other types show their value when they are printed"
            )
    return names


def _parts(annotation: object) -> tuple[set[object], list[object]]:
    """The types that an annotation allows beside `None`, and what it is annotated with."""
    types: set[object] = set()
    marks: list[object] = []
    if get_origin(annotation) in (Union, UnionType):
        choices = get_args(annotation)
    elif get_origin(annotation) is Annotated:
        choice, *marks = get_args(annotation)
        choices = (choice,)
    else:
        return ({annotation} - {type(None)}, [])
    for choice in choices:
        more_types, more_marks = _parts(choice)
        types |= more_types
        marks += more_marks
    return types, marks
