"""Proves the server of these tests with Google's own client: what a caller would see of Google, it sees here.

Arguments: the address of the server, a project, a file with a person's login, a file with a service account's key, and
the address of a service account that can be impersonated.
"""

import json
import sys

from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1 as api
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceRestTransport,
)
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

ADDRESS, PROJECT, USER_FILE, KEY_FILE, ACCOUNT = sys.argv[1:6]
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ENABLED, DISABLED, DESTROYED = (api.SecretVersion.State[s] for s in ("ENABLED", "DISABLED", "DESTROYED"))


def client(credentials):
    transport = SecretManagerServiceRestTransport(host=ADDRESS, credentials=credentials)
    return api.SecretManagerServiceClient(transport=transport)


def user_login(**changed):
    """The login of the file. The client's own reader of such files always asks Google, wherever they say."""
    with open(USER_FILE, encoding="utf-8") as file:
        kept = json.load(file)
    kept.pop("type")
    return user_credentials.Credentials(token=None, scopes=[SCOPE], **{**kept, **changed})


def acting_as(account):
    """A login with which the tokens of a service account are had."""
    endpoint = f"{ADDRESS}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    return impersonated_credentials.Credentials(
        user_login(), account, [SCOPE], iam_endpoint_override=endpoint
    )


class Unrefreshed(AnonymousCredentials):
    """A token, or none, that the client cannot replace when it is refused."""

    def __init__(self, token=None):
        super().__init__()
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def before_request(self, request, method, url, headers):
        headers.update(self.headers)

    def refresh(self, request):
        pass


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# What the client raises for a code of Google's: over REST it goes by the HTTP status alone.
RAISED = {
    "ABORTED": exceptions.Conflict,
    "ALREADY_EXISTS": exceptions.Conflict,
    "FAILED_PRECONDITION": exceptions.BadRequest,
    "INVALID_ARGUMENT": exceptions.BadRequest,
    "NOT_FOUND": exceptions.NotFound,
    "PERMISSION_DENIED": exceptions.Forbidden,
    "UNAUTHENTICATED": exceptions.Unauthorized,
}


def refused(code, call, *, reason=None):
    """`call` fails with Google's `code`, and with the reason of an ErrorInfo, if given."""
    try:
        call()
    except RAISED[code] as error:
        assert error.response.json()["error"]["status"] == code, error.response.text
        assert reason is None or error.reason == reason, error.reason
        return
    raise AssertionError(f"not refused with {code}")


def logins():
    """Each way to log in works, and its refusal is one."""
    with_user = client(user_login())
    with_key = service_account.Credentials.from_service_account_file(KEY_FILE, scopes=[SCOPE])
    parent = f"projects/{PROJECT}"
    for credentials in (with_key, with_key.with_always_use_jwt_access(True), acting_as(ACCOUNT)):
        assert list(client(credentials).list_secrets(parent=parent)) == []

    def get_as(credentials):
        return lambda: client(credentials).get_secret(name=f"{parent}/secrets/x")

    refused("UNAUTHENTICATED", get_as(Unrefreshed("not-a-token-of-this-server")))
    refused("UNAUTHENTICATED", get_as(Unrefreshed()), reason="CREDENTIALS_MISSING")
    stale = user_login(refresh_token="revoked")
    try:
        get_as(stale)()
        raise AssertionError("a login with a revoked token")
    except auth_exceptions.RefreshError as error:
        assert "invalid_grant" in str(error), error
    try:
        get_as(acting_as("another@acme.iam.gserviceaccount.com"))()
        raise AssertionError("a service account of somebody else")
    except auth_exceptions.RefreshError as error:
        assert "IAM_PERMISSION_DENIED" in str(error), error
    return with_user


def secrets(sm, parent, replication):
    """The life of a secret, from its creation to its end."""
    name = f"{parent}/secrets/openai-key"
    refused("NOT_FOUND", lambda: sm.get_secret(name=name))
    refused("NOT_FOUND", lambda: sm.add_secret_version(parent=name, payload={"data": b"x"}))
    create = {"parent": parent, "secret_id": "openai-key", "secret": replication}
    made = sm.create_secret(request=create)
    assert made.name.endswith("/secrets/openai-key") and made.create_time and made.etag, made
    assert not made.name.startswith(f"projects/{PROJECT}/"), "Google answers with the project's number"
    refused("ALREADY_EXISTS", lambda: sm.create_secret(request=create))
    for bad in ("a/b", "a.b", "", "x" * 256):
        refused("INVALID_ARGUMENT", lambda: sm.create_secret(request={**create, "secret_id": bad}))

    # A secret without versions has no latest one.
    refused("NOT_FOUND", lambda: sm.access_secret_version(name=f"{name}/versions/latest"))

    for number, data in enumerate((b"first", b"\x00\xff second \xc3\xa9"), start=1):
        payload = {"data": data, "data_crc32c": crc32c(data)}
        added = sm.add_secret_version(parent=name, payload=payload)
        assert added.name == f"{made.name}/versions/{number}", added.name
        assert added.state == ENABLED and added.client_specified_payload_checksum, added
        for version in (str(number), "latest"):
            got = sm.access_secret_version(name=f"{name}/versions/{version}")
            assert got.name == added.name and got.payload.data == data, version
            assert got.payload.data_crc32c == crc32c(data), version
    unchecked = sm.add_secret_version(parent=name, payload={"data": b"third"})
    assert not unchecked.client_specified_payload_checksum
    assert sm.access_secret_version(name=unchecked.name).payload.data_crc32c == crc32c(b"third")

    for payload in ({"data": b"x", "data_crc32c": 1}, {"data": b""}, {"data": b"x" * 65537}):
        refused("INVALID_ARGUMENT", lambda: sm.add_secret_version(parent=name, payload=payload))
    sm.add_secret_version(parent=name, payload={"data": b"x" * 65536})
    for version in ("5", "0", "no-such-alias"):
        refused("NOT_FOUND", lambda: sm.access_secret_version(name=f"{name}/versions/{version}"))
    return made, name


def versions(sm, made, name):
    """A version is switched off and on, destroyed for good, and found by an alias."""
    first, latest = f"{name}/versions/1", f"{name}/versions/latest"
    held = sm.get_secret_version(name=f"{name}/versions/4")
    assert sm.disable_secret_version(name=held.name).state == DISABLED
    refused("FAILED_PRECONDITION", lambda: sm.access_secret_version(name=latest))
    stale = api.EnableSecretVersionRequest(name=held.name, etag=held.etag)
    refused("ABORTED", lambda: sm.enable_secret_version(request=stale))
    assert sm.enable_secret_version(name=held.name).state == ENABLED
    assert len(sm.access_secret_version(name=latest).payload.data) == 65536

    gone = sm.destroy_secret_version(name=held.name)
    assert gone.state == DESTROYED and gone.destroy_time, gone
    refused("FAILED_PRECONDITION", lambda: sm.access_secret_version(name=latest))
    refused("FAILED_PRECONDITION", lambda: sm.enable_secret_version(name=held.name))

    secret = api.Secret(name=made.name, version_aliases={"stable": 1}, labels={"team": "a"})
    changed = sm.update_secret(secret=secret, update_mask={"paths": ["version_aliases", "labels"]})
    assert changed.version_aliases == {"stable": 1} and changed.labels == {"team": "a"}, changed
    assert changed.etag != made.etag
    assert sm.access_secret_version(name=f"{name}/versions/stable").name.endswith("/versions/1")
    listed = [version.name.rsplit("/", 1)[1] for version in sm.list_secret_versions(parent=name)]
    assert listed == ["4", "3", "2", "1"], listed
    assert sm.access_secret_version(name=first).payload.data == b"first"


def listings(sm, parent, replication):
    """Pages follow one another, newest first; a filter lets parts of names through."""
    expected = ["openai-key"]
    for number in range(60):
        secret_id = f"{'a' if number % 2 else 'b'}-{number:02}"
        sm.create_secret(request={"parent": parent, "secret_id": secret_id, "secret": replication})
        expected.insert(0, secret_id)

    def ids(**request):
        return [s.name.rsplit("/", 1)[1] for s in sm.list_secrets(request={"parent": parent, **request})]

    assert ids() == expected
    assert ids(page_size=7) == expected
    assert ids(filter='name:"a-"') == [name for name in expected if name.startswith("a-")]
    assert ids(filter="name:A-0") == [name for name in expected if name.startswith("a-0")]
    page = next(sm.list_secrets(request={"parent": parent, "page_size": 7}).pages)
    assert len(page.secrets) == 7 and page.next_page_token and page.total_size == 61, page
    for token in ("nonsense", page.next_page_token + "x"):
        refused("INVALID_ARGUMENT", lambda: ids(page_token=token))
    other = {"page_token": page.next_page_token, "filter": "name:a"}
    refused("INVALID_ARGUMENT", lambda: ids(**other))


def ends(sm, made, name):
    """A secret is deleted if it is the one that was meant, and then it is gone."""
    refused("ABORTED", lambda: sm.delete_secret(request={"name": name, "etag": made.etag}))
    sm.delete_secret(request={"name": name, "etag": sm.get_secret(name=name).etag})
    for call in (sm.get_secret, sm.delete_secret):
        refused("NOT_FOUND", lambda: call(name=name))
    refused("NOT_FOUND", lambda: sm.access_secret_version(name=f"{name}/versions/1"))


def places(sm):
    """A project that is none, and the policies of replication."""
    elsewhere = "projects/no-such-project"
    refused("PERMISSION_DENIED", lambda: sm.get_secret(name=f"{elsewhere}/secrets/x"), reason="CONSUMER_INVALID")
    everywhere = {"replication": {"automatic": {}}}
    for parent, secret in ((f"projects/{PROJECT}", {}), (f"projects/{PROJECT}/locations/europe-west1", everywhere)):
        request = {"parent": parent, "secret_id": "wrong", "secret": secret}
        refused("INVALID_ARGUMENT", lambda: sm.create_secret(request=request))


def main():
    sm = logins()
    managed = {"replication": {"user_managed": {"replicas": [{"location": "europe-west1"}]}}}
    for parent, replication in (
        (f"projects/{PROJECT}", {"replication": {"automatic": {}}}),
        (f"projects/{PROJECT}/locations/europe-west1", {}),
    ):
        made, name = secrets(sm, parent, replication)
        versions(sm, made, name)
        listings(sm, parent, replication)
        ends(sm, made, name)
    request = {"parent": f"projects/{PROJECT}", "secret_id": "managed", "secret": managed}
    replicas = sm.create_secret(request=request).replication.user_managed.replicas
    assert [replica.location for replica in replicas] == ["europe-west1"], replicas
    places(sm)
    print("every call answers as Google's does")


main()
