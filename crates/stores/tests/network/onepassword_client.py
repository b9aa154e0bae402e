"""The vendor's own client of 1Password Connect, against the protocol server of the tests.

What this asserts is what the library makes of the answers: where the server strays from what 1Password published, it
fails. Arguments: the address, a token that may write, one that may read, the ID and the title of their vault, and the
ID of a vault that neither may use.
"""

import sys

from onepasswordconnectsdk.client import new_client
from onepasswordconnectsdk.errors import (
    FailedToRetrieveItemException,
    FailedToRetrieveVaultException,
)
from onepasswordconnectsdk.models import Field, FieldSection, Item, ItemVault, Section

ADDRESS, WRITER, READER, VAULT, VAULT_TITLE, FOREIGN_VAULT = sys.argv[1:]
ABSENT = "a" * 26


def item(title, value, **more):
    password = Field(purpose="PASSWORD", type="CONCEALED", value=value)
    return Item(
        title=title,
        vault=ItemVault(id=VAULT),
        category=more.pop("category", "PASSWORD"),
        fields=[password, *more.pop("fields", [])],
        **more,
    )


def values(found):
    return {field.label: field.value for field in found.fields}


def fails(status, call, *arguments, error=FailedToRetrieveItemException):
    try:
        call(*arguments)
    except error as refused:
        assert f"Received {status}" in str(refused), refused
    else:
        raise AssertionError(f"{call.__name__} of {arguments} did not fail")


def vaults(client):
    assert [vault.id for vault in client.get_vaults()] == [VAULT]
    assert client.get_vault(VAULT).name == VAULT_TITLE
    assert client.get_vault_by_title(VAULT_TITLE).id == VAULT


def set_and_get(client):
    made = client.create_item(VAULT, item("openai-key", "first"))
    assert made.version == 1 and made.vault.id == VAULT and made.created_at is not None, made
    for name in [made.id, "openai-key"]:
        for vault in [VAULT, VAULT_TITLE]:
            found = client.get_item(name, vault)
            assert (found.id, values(found)["password"]) == (made.id, "first")
    return made.id


def update(client, made):
    changed = client.get_item(made, VAULT)
    changed.fields[0].value = "second"
    assert client.update_item(made, VAULT, changed).version == 2
    found = client.get_item("openai-key", VAULT)
    assert (found.version, values(found)["password"]) == (2, "second")


def patch(client, made):
    """The library has no call for it, but a session with its headers, and the model of the answer."""
    path = f"/v1/vaults/{VAULT}/items/{made}"
    field = client.get_item(made, VAULT).fields[0].id
    operations = [
        {"op": "replace", "path": f"/fields/{field}/value", "value": "third"},
        {"op": "add", "path": "/fields", "value": {"label": "note", "type": "string", "value": "kept"}},
        {"op": "replace", "path": "/favorite", "value": True},
    ]
    answer = client.build_request("PATCH", path, operations)
    assert answer.status_code == 200, answer
    found = client.deserialize(answer.content, "Item")
    assert found.version == 3 and found.favorite, found
    assert values(found) == {"password": "third", "note": "kept"}, values(found)
    for operations in [
        [{"op": "replace", "path": "/fields/none/value", "value": "x"}],
        [{"op": "move", "path": "/title", "value": "x"}],
        [{"op": "replace", "path": "title", "value": "x"}],
    ]:
        assert client.build_request("PATCH", path, operations).status_code == 400, operations
    assert client.get_item(made, VAULT).version == 3


def listing(client, made):
    other = client.create_item(VAULT, item("other key", "x", tags=["banking"]))
    summaries = {summary.title: summary for summary in client.get_items(VAULT)}
    assert set(summaries) == {"openai-key", "other key"}, summaries
    assert summaries["openai-key"].version == 3 and not hasattr(summaries["openai-key"], "fields")
    for query, titles in [
        ('title eq "other key"', ["other key"]),
        ('title eq "OTHER KEY"', ["other key"]),
        ('tag eq "banking"', ["other key"]),
        ('title eq "openai-key" or tag eq "banking"', ["openai-key", "other key"]),
        ('title eq "other"', []),
    ]:
        found = sorted(summary.title for summary in client.get_items(VAULT, query))
        assert found == titles, (query, found)
    for query in ["title eq 'other key'", 'title eq "a" b"', 'title co "other"', "title", 'id eq "x"']:
        fails(400, client.get_items, VAULT, query)
    client.delete_item(other.id, VAULT)


def sections(client):
    first, second = Section(id="one", label="First"), Section(id="two", label="Second")
    fields = [
        Field(label="key", type="CONCEALED", value="1", section=FieldSection(id="one")),
        Field(label="key", type="CONCEALED", value="2", section=FieldSection(id="two")),
        Field(label="empty", type="STRING", value=""),
    ]
    made = client.create_item(VAULT, item("sections", "0", sections=[first, second], fields=fields))
    found = client.get_item(made.id, VAULT)
    assert [section.label for section in found.sections] == ["First", "Second"]
    held = [(field.section.id, field.value) for field in found.fields if field.label == "key"]
    assert held == [("one", "1"), ("two", "2")], held
    assert len({field.id for field in found.fields}) == 4
    assert values(found)["empty"] is None
    client.delete_item(made.id, VAULT)


def refusals(client, made):
    unknown = new_client(ADDRESS, "not-a-token")
    fails(401, unknown.get_item_by_id, made, VAULT)
    fails(401, unknown.get_items, VAULT)
    fails(401, unknown.get_vaults, error=FailedToRetrieveVaultException)
    fails(403, client.get_items, FOREIGN_VAULT)
    fails(403, client.get_vault, FOREIGN_VAULT, error=FailedToRetrieveVaultException)
    fails(404, client.get_items, ABSENT)
    fails(404, client.get_vault, ABSENT, error=FailedToRetrieveVaultException)
    fails(404, client.get_item_by_id, ABSENT, VAULT)
    fails(404, client.delete_item, ABSENT, VAULT)
    fails(404, client.update_item, ABSENT, VAULT, item("x", "x"))
    fails(400, client.get_item_by_id, "not-an-id", VAULT)
    fails(400, client.create_item, VAULT, item("x", "x", category="CUSTOM"))
    without_password = Item(title="x", vault=ItemVault(id=VAULT), category="PASSWORD", fields=[])
    fails(400, client.create_item, VAULT, without_password)
    fails(413, client.create_item, VAULT, item("x", "x" * (3 << 20)))

    reader = new_client(ADDRESS, READER)
    assert values(reader.get_item("openai-key", VAULT))["password"] == "third"
    fails(403, reader.create_item, VAULT, item("x", "x"))
    fails(403, reader.update_item, made, VAULT, item("x", "x"))
    fails(403, reader.delete_item, made, VAULT)


def two_of_one_title(client):
    made = [client.create_item(VAULT, item("twice", value)).id for value in "12"]
    try:
        client.get_item("twice", VAULT)
    except FailedToRetrieveItemException as refused:
        assert "Found 2 items" in str(refused), refused
    else:
        raise AssertionError("one of two was taken")
    for one in made:
        client.delete_item(one, VAULT)


def delete(client, made):
    client.delete_item(made, VAULT)
    fails(404, client.get_item_by_id, made, VAULT)
    fails(404, client.delete_item, made, VAULT)
    assert client.get_items(VAULT) == []


def health(client):
    assert client.build_request("GET", "/heartbeat").text == "."
    assert client.build_request("GET", "/health").json()["name"] == "1Password Connect API"


def main():
    client = new_client(ADDRESS, WRITER)
    vaults(client)
    made = set_and_get(client)
    update(client, made)
    patch(client, made)
    listing(client, made)
    sections(client)
    refusals(client, made)
    two_of_one_title(client)
    delete(client, made)
    health(client)
    print("proved")


if __name__ == "__main__":
    main()
