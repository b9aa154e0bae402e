"""Proves the server of these tests with Microsoft's own client: what a caller would see of Azure, it sees here.

Arguments: the address of the server, a file with its certificate, and as JSON an application and a user-assigned
identity of the machine.
"""

import json
import os
import sys
import tempfile
from datetime import datetime, timezone

ADDRESS, CERTIFICATE = sys.argv[1:3]
APPLICATION, IDENTITY = json.loads(sys.argv[3]), sys.argv[4]
# Read by the client's transport, and by its managed identities.
os.environ["REQUESTS_CA_BUNDLE"] = CERTIFICATE
os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = ADDRESS

from azure.core.credentials import AccessToken  # noqa: E402
from azure.core.exceptions import (  # noqa: E402
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import (  # noqa: E402
    ClientSecretCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient  # noqa: E402

HOST = ADDRESS.removeprefix("https://")
TENANT, CLIENT, SECRET, SUBJECT = (APPLICATION[k] for k in ("tenant", "client", "secret", "subject"))
SCOPE = "https://vault.azure.net/.default"


def client(credential, **options):
    options = {"verify_challenge_resource": False, "retry_total": 0, **options}
    return SecretClient(ADDRESS, credential, **options)


def by_secret(tenant=TENANT, application=CLIENT, secret=SECRET):
    return ClientSecretCredential(tenant, application, secret, authority=HOST, disable_instance_discovery=True)


def by_file(token):
    with tempfile.NamedTemporaryFile("w", suffix=".jwt", delete=False) as file:
        file.write(token)
    options = {"authority": HOST, "disable_instance_discovery": True}
    return WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path=file.name, **options)


class Fixed:
    """A token that the client cannot replace."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **_):
        assert scopes == (SCOPE,), scopes
        return AccessToken(self.token, 4_102_444_800)


def refused(kind, code, call, *, status, inner=None):
    """`call` fails with `kind` of the client, and with Key Vault's codes."""
    try:
        result = call()
    except HttpResponseError as error:
        assert type(error) is kind, (type(error), error)
        assert error.status_code == status, error.status_code
        told = error.response.json()["error"]
        assert told["code"] == code and told["message"], told
        assert told.get("innererror", {}).get("code") == inner, told
        assert error.response.headers["x-ms-request-id"], error.response.headers
        return
    raise AssertionError(f"not refused with {code}: {result}")


def not_found(call):
    refused(ResourceNotFoundError, "SecretNotFound", call, status=404)


def no_login(credential, number):
    try:
        credential.get_token(SCOPE)
    except ClientAuthenticationError as error:
        assert f"AADSTS{number}" in str(error), error
        return
    raise AssertionError(f"not refused with {number}")


def logins():
    """Each way to log in works, and its refusal is one."""
    ways = (by_secret(), by_file(SUBJECT), ManagedIdentityCredential(), ManagedIdentityCredential(client_id=IDENTITY))
    for credential in ways:
        assert list(client(credential).list_properties_of_secrets()) == []

    no_login(by_secret(secret="not-the-secret"), 7000215)
    no_login(by_secret(application="00000000-0000-0000-0000-000000000000"), 700016)
    no_login(by_file("not-the-token"), 700213)
    try:
        by_secret(tenant="00000000-0000-0000-0000-000000000000").get_token(SCOPE)
        raise AssertionError("a login to a directory that is not there")
    except (ClientAuthenticationError, ValueError):
        pass  # The client asks for the directory's own description first, and words it as it likes.
    try:
        ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000000").get_token(SCOPE)
        raise AssertionError("a login as an identity that the machine has not")
    except CredentialUnavailableError:
        pass

    def get():
        return client(Fixed("not-a-token-of-this-server")).get_secret("x")

    refused(ClientAuthenticationError, "Unauthorized", get, status=401)
    # The client itself judges the challenge: this server is no vault under vault.azure.net.
    try:
        client(by_secret(), verify_challenge_resource=True).get_secret("x")
        raise AssertionError("a challenge of another domain")
    except ValueError as error:
        assert "verify_challenge_resource" in str(error), error
    return client(by_secret())


def at(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc)


def versions(vault):
    """A secret has versions, each with attributes of its own."""
    not_found(lambda: vault.get_secret("OpenAI-Key"))
    first = vault.set_secret(
        "OpenAI-Key", "first", content_type="text/plain", tags={"team": "ml"}, expires_on=at(4_102_444_800)
    )
    assert first.value == "first" and first.properties.content_type == "text/plain", first
    assert first.properties.tags == {"team": "ml"} and first.properties.expires_on == at(4_102_444_800)
    assert first.properties.enabled and first.properties.created_on and first.properties.recovery_level
    assert first.id == f"{ADDRESS}/secrets/OpenAI-Key/{first.properties.version}", first.id
    assert len(first.properties.version) == 32

    second = vault.set_secret("openai-key", "second \0 é")
    assert second.properties.version != first.properties.version
    assert second.name == "OpenAI-Key", "names are one in whatever capitals"
    assert second.properties.tags is None and second.properties.content_type is None, "a version has its own notes"
    assert second.properties.expires_on is None
    assert vault.get_secret("OPENAI-KEY").value == "second \0 é"
    assert vault.get_secret("OpenAI-Key", first.properties.version).value == "first"
    not_found(lambda: vault.get_secret("OpenAI-Key", "0" * 32))
    assert vault.set_secret("Empty", "").value == "" == vault.get_secret("Empty").value

    listed = {p.version: p for p in vault.list_properties_of_secret_versions("OpenAI-Key", max_page_size=1)}
    assert set(listed) == {first.properties.version, second.properties.version}, listed
    assert listed[first.properties.version].tags == {"team": "ml"}

    changed = vault.update_secret_properties("OpenAI-Key", enabled=False, tags={"team": "b"}, not_before=at(1))
    assert changed.enabled is False and changed.tags == {"team": "b"} and changed.not_before == at(1), changed
    disabled = {"status": 403, "inner": "SecretDisabled"}
    refused(HttpResponseError, "Forbidden", lambda: vault.get_secret("OpenAI-Key"), **disabled)
    assert vault.get_secret("OpenAI-Key", first.properties.version).value == "first"
    vault.update_secret_properties("OpenAI-Key", first.properties.version, enabled=False)
    by_version = lambda: vault.get_secret("OpenAI-Key", first.properties.version)  # noqa: E731
    refused(HttpResponseError, "Forbidden", by_version, **disabled)
    vault.update_secret_properties("OpenAI-Key", enabled=True, expires_on=at(10))
    assert vault.get_secret("OpenAI-Key").properties.expires_on == at(10), "an end that is past is no bar to reads"
    not_found(lambda: vault.update_secret_properties("no-such", enabled=True))


def limits(vault):
    """What Key Vault cannot hold."""
    for name in ("a_b", "a.b", "x" * 128):
        refused(HttpResponseError, "BadParameter", lambda: vault.set_secret(name, "x"), status=400)
    vault.set_secret("x" * 127, "x" * 25_600)
    refused(HttpResponseError, "BadParameter", lambda: vault.set_secret("long", "x" * 25_601), status=400)
    tags = {str(number): "x" for number in range(16)}
    refused(HttpResponseError, "BadParameter", lambda: vault.set_secret("tags", "x", tags=tags), status=400)


def listings(vault):
    """Pages follow one another, of 25 secrets at the most, without values."""
    before = {p.name for p in vault.list_properties_of_secrets()}
    made = {f"item-{number:02}" for number in range(60)}
    for name in made:
        vault.set_secret(name, "x")
    for options in ({}, {"max_page_size": 7}):
        listed = list(vault.list_properties_of_secrets(**options))
        assert {p.name for p in listed} == before | made and len(listed) == len(before | made)
        assert all(p.version is None and p.created_on for p in listed)
    pages = [list(page) for page in vault.list_properties_of_secrets(max_page_size=7).by_page()]
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1), pages
    first = list(next(vault.list_properties_of_secrets().by_page()))
    assert len(first) == 25, len(first)
    for size in (0, 26):
        bad = lambda: list(vault.list_properties_of_secrets(max_page_size=size))  # noqa: E731, B023
        refused(HttpResponseError, "BadParameter", bad, status=400)
    other = f"{ADDRESS}/deletedsecrets?api-version=7.6&$skiptoken=bm9uc2Vuc2U"
    wrong = lambda: list(next(vault.list_properties_of_secrets().by_page(other)))  # noqa: E731
    refused(HttpResponseError, "BadParameter", wrong, status=400)


def ends(vault):
    """What is deleted can be recovered, with its versions, until it is purged."""
    name = "openai-key"
    held = vault.get_secret(name)
    deleted = vault.begin_delete_secret(name, _polling_interval=0).result()
    assert deleted.name == "OpenAI-Key" and deleted.recovery_id and deleted.scheduled_purge_date, deleted
    for call in (vault.get_secret, vault.begin_delete_secret):
        not_found(lambda: call(name))
    again = lambda: vault.set_secret(name, "x")  # noqa: E731
    refused(ResourceExistsError, "Conflict", again, status=409, inner="ObjectIsDeletedButRecoverable")
    assert vault.get_deleted_secret(name).deleted_date
    assert [d.name for d in vault.list_deleted_secrets()] == ["OpenAI-Key"]
    assert name not in {p.name.lower() for p in vault.list_properties_of_secrets()}

    vault.begin_recover_deleted_secret(name, _polling_interval=0).wait()
    back = vault.get_secret(name)
    assert (back.value, back.properties.version) == (held.value, held.properties.version)
    for call in (vault.get_deleted_secret, vault.begin_recover_deleted_secret, vault.purge_deleted_secret):
        not_found(lambda: call(name))

    vault.begin_delete_secret(name, _polling_interval=0).wait()
    assert vault.purge_deleted_secret(name) is None
    for call in (vault.get_secret, vault.get_deleted_secret):
        not_found(lambda: call(name))
    assert vault.set_secret("OPENAI-key", "another").name == "OPENAI-key", "a purged name is free"


def slow_ends():
    """In a vault that takes its time, a secret is in neither collection for a while."""
    name = "slow-key"
    vault = client(by_secret())
    vault.set_secret(name, "x")
    poller = vault.begin_delete_secret(name, _polling_interval=0)
    again = lambda: vault.set_secret(name, "y")  # noqa: E731
    refused(ResourceExistsError, "Conflict", again, status=409, inner="ObjectIsBeingDeleted")
    poller.wait()
    poller = vault.begin_recover_deleted_secret(name, _polling_interval=0)
    refused(ResourceExistsError, "Conflict", again, status=409, inner="ObjectIsBeingRecovered")
    poller.wait()
    assert vault.set_secret(name, "y").value == "y"


def main():
    if sys.argv[5:] == ["slow"]:
        slow_ends()
    elif sys.argv[5:] == ["throttled"]:
        refused(HttpResponseError, "Throttled", lambda: client(by_secret()).get_secret("x"), status=429)
    elif sys.argv[5:] == ["forbidden"]:
        get = lambda: client(by_secret()).get_secret("x")  # noqa: E731
        refused(HttpResponseError, "Forbidden", get, status=403, inner="AccessDenied")
    else:
        vault = logins()
        versions(vault)
        limits(vault)
        listings(vault)
        ends(vault)
    print("every call answers as Azure's does")


main()
