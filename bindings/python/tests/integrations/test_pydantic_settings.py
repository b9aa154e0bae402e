"""The source of settings, in the real pydantic-settings."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Optional

import pytest
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from modelmesh.cdk.base_secret_store import BaseSecretStore, BaseSecretStoreConfig
from modelmesh.connectors.secret_stores import MemorySecretStore, MemorySecretStoreConfig
from modelmesh.integrations.pydantic_settings import Secret, SecretStoreSettingsSource
from modelmesh.interfaces.secret_store import InvalidNameError

CANARY = "sk-canary-4f1d"


def memory(**secrets: str) -> MemorySecretStore:
    return MemorySecretStore(MemorySecretStoreConfig(secrets=secrets))


class FromStore(BaseSettings):
    """A settings class whose last source is a store that each test gives."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretStoreSettingsSource(settings_cls, STORES[-1])


# A settings class names its sources itself, so what a test gives them stands here.
STORES: list[Any] = []


@pytest.fixture(autouse=True)
def no_store_of_another_test() -> None:
    STORES.clear()


class Settings(FromStore):
    openai_api_key: SecretStr
    region: str = "eu-west-1"


def test_a_secret_field_is_the_secret_of_its_name() -> None:
    STORES.append(memory(openai_api_key=CANARY, region="never asked"))
    settings = Settings()
    assert settings.openai_api_key.get_secret_value() == CANARY
    assert settings.region == "eu-west-1"


def test_a_mark_names_another_secret_also_within_an_optional() -> None:
    class Marked(FromStore):
        password: Annotated[SecretStr, Secret("postgres/password")]
        spare: Optional[Annotated[SecretStr, Secret("postgres/spare")]] = None
        other: SecretStr | None = None

    STORES.append(
        MemorySecretStore(MemorySecretStoreConfig(secrets={"postgres/password": "p1", "postgres/spare": "p2"}))
    )
    settings = Marked()
    assert settings.password.get_secret_value() == "p1"
    assert settings.spare is not None and settings.spare.get_secret_value() == "p2"
    assert settings.other is None


def test_an_alias_is_the_key_and_not_the_name_of_the_secret() -> None:
    class Aliased(FromStore):
        key: SecretStr = Field(validation_alias="OPENAI_KEY")
        token: SecretStr = Field(validation_alias=AliasChoices("TOKEN", "API_TOKEN"))

    STORES.append(memory(key="k", token="t"))
    settings = Aliased()
    assert (settings.key.get_secret_value(), settings.token.get_secret_value()) == ("k", "t")


def test_sources_before_it_win_and_the_store_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Counting(BaseSecretStore):
        def _resolve(self, name: str) -> str | None:
            asked.append(name)
            return CANARY

    class Two(FromStore):
        given: SecretStr
        set_in_environment: SecretStr
        stored: SecretStr

    monkeypatch.setenv("SET_IN_ENVIRONMENT", "e")
    STORES.append(Counting(BaseSecretStoreConfig()))
    settings = Two(given=SecretStr("g"))
    assert settings.given.get_secret_value() == "g"
    assert settings.set_in_environment.get_secret_value() == "e"
    assert asked == ["stored"]


def test_a_missing_secret_is_a_missing_field() -> None:
    STORES.append(memory())
    with pytest.raises(ValidationError, match="openai_api_key"):
        Settings()


def test_an_outage_is_not_a_missing_field() -> None:
    class Down(BaseSecretStore):
        def _resolve(self, name: str) -> str | None:
            raise ConnectionRefusedError("the store is down")

    STORES.append(Down(BaseSecretStoreConfig()))
    with pytest.raises(ConnectionRefusedError):
        Settings()


def test_a_name_that_cannot_be_one_is_not_a_missing_field() -> None:
    class Misnamed(FromStore):
        key: Annotated[SecretStr | None, Secret("a//b")] = None

    STORES.append(memory())
    with pytest.raises(InvalidNameError):
        Misnamed()


def test_a_function_may_stand_for_the_store() -> None:
    class Referring(FromStore):
        key: Annotated[SecretStr, Secret("${secrets.prod:openai#key}")]

    STORES.append({"${secrets.prod:openai#key}": CANARY}.__getitem__)
    assert Referring().key.get_secret_value() == CANARY


def test_a_marked_field_of_a_type_that_shows_its_value_is_refused() -> None:
    class Shown(FromStore):
        key: Annotated[str, Secret("key")]

    STORES.append(memory(key=CANARY))
    with pytest.raises(SettingsError, match="SecretStr"):
        Shown()


def test_no_value_shows(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    class Strict(FromStore):
        model_config = SettingsConfigDict(extra="forbid")
        openai_api_key: SecretStr
        short: Annotated[SecretStr, Field(max_length=3)]
        absent: SecretStr

    caplog.set_level(logging.DEBUG)
    STORES.append(memory(openai_api_key=CANARY, short=CANARY))
    with pytest.raises(ValidationError) as failure:
        Strict()
    source = SecretStoreSettingsSource(Strict, STORES[-1])
    shown = [
        str(failure.value),
        repr(failure.value),
        str(failure.value.errors()),
        failure.value.json(),
        repr(source),
        repr(source()),
    ]
    STORES.append(memory(openai_api_key=CANARY))
    shown += [
        repr(Settings()),
        str(Settings()),
        Settings().model_dump_json(),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert not [text for text in shown if CANARY in text]
