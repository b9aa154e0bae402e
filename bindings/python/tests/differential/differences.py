"""The listed differences: where ours answers otherwise than the reference does, and means to.

`docs/compatibility.md` has a section for each, under its ID, which says why and what an application does about it. A
test holds the two to each other, and another holds each difference to its witness: one that no longer occurs is not
listed any longer.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peers import Answer, Operation

if TYPE_CHECKING:
    from comparison import Step

IN_KEY = {"file_path": "@file", "encryption_key": "0123456789abcdef" * 4}
ENCRYPTED = "EncryptedFileSecretStore"
FILES = {"FileSecretStore", "DotenvSecretStore", "JsonSecretStore"}
TREES = {"FileSecretStore", "JsonSecretStore"}
CONNECTORS = FILES | {ENCRYPTED, "EnvSecretStore", "KeyringSecretStore"}


@dataclass(frozen=True)
class Difference:
    """One way in which ours differs.

    - `id`: the heading of its section in `docs/compatibility.md`.
    - `occurs`: whether the first step at which a scenario differs is an instance of it. What the packages do after
      that step is not compared: they are in different states.
    - `witness`: a scenario whose first difference is this one.
    """

    id: str
    occurs: Callable[[Step], bool]
    witness: Sequence[Operation]


# -- What an answer is ------------------------------------------------------------


def is_missing(answer: Answer) -> bool:
    """What the reference answers for a name that it does not have, by either policy."""
    return answer.get("value") == "" or str(answer.get("error", {}).get("key")).startswith("Secret not found")


def fails_as(answer: Answer, *kinds: str) -> bool:
    return "error" in answer and answer["error"]["kind"] in kinds


def is_error(answer: Answer, kind: str) -> bool:
    return "error" in answer and kind in answer["error"]["is"]


def has_value(answer: Answer) -> bool:
    return isinstance(answer.get("value"), str)


def is_name(text: str) -> bool:
    """Whether ours takes it as the name of a secret."""
    control = any(unicodedata.category(character) == "Cc" for character in text)
    return len(text.encode()) <= 2048 and not control and not {"", ".", ".."} & set(text.split("/"))


# -- How a scenario is written -------------------------------------------------------


def opened(kind: str, store: str = "s", **config: Any) -> Operation:
    return {"do": "open", "store": store, "kind": kind, "config": config}


def get(name: str, store: str = "s") -> Operation:
    return {"do": "get", "store": store, "name": name}


def does(operation: str, store: str = "s", **arguments: Any) -> Operation:
    return {"do": operation, "store": store, **arguments}


def wrote(text: str) -> Operation:
    return {"do": "write", "file": "@file", "text": text}


def changes_since_opening(step: Step) -> list[Operation]:
    """What was done between the store's construction and this step."""
    start = next(n for n, operation in enumerate(step.scenario) if operation is step.opening)
    return list(step.scenario[start + 1 : step.index])


def document(step: Step) -> object:
    """The tree that the store's file holds. Raises a `ValueError` if it holds none."""
    text = step.text_of("@file") or ""
    return tomllib.loads(text) if step.config.get("format") == "toml" else json.loads(text, parse_constant=no_json)


def no_json(constant: str) -> None:
    """Python reads `NaN` and `Infinity`, which are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def ways(tree: object, name: str) -> list[object]:
    """What lies where a dotted name may lead: a key may hold dots itself."""
    if not isinstance(tree, dict):
        return []
    deeper = [
        way for key, inner in tree.items() if name.startswith(f"{key}.") for way in ways(inner, name[len(key) + 1 :])
    ]
    return [tree[name], *deeper] if name in tree else deeper


PLAIN_LINE = re.compile(r"""\s*(\#.*)?|\s*[\w.-]+\s*=\s*(?P<quote>["']?)[^"'`\\#$]*(?P=quote)\s*""")


def is_plain(step: Step) -> bool:
    """Whether all readers of .env files agree on the store's file."""
    return all(PLAIN_LINE.fullmatch(line) for line in (step.text_of("@file") or "").split("\n"))


def reads_env(step: Step) -> bool:
    format = step.config.get("format", "env").lower()
    return step.kind == "DotenvSecretStore" or step.kind == "FileSecretStore" and format == "env"


def is_sound(step: Step) -> bool:
    """Whether the store's file is what it should be: UTF-8, of its format, with an object where names are looked up."""
    if any("\ud800" <= character <= "\udfff" for character in step.text_of("@file") or ""):
        return False
    if reads_env(step):
        return is_plain(step)
    try:
        tree = document(step)
    except ValueError:
        return False
    scope = step.config.get("json_path")
    return any(isinstance(way, dict) for way in (ways(tree, scope) if scope else [tree]))


def found(step: Step) -> list[object]:
    """What lies where the name may lead that a step asks for."""
    if reads_env(step) or not is_sound(step):
        return []
    scope = step.config.get("json_path", "")
    return ways(document(step), ".".join(filter(None, (scope, step.operation["name"]))))


def key_of(opening: Operation) -> tuple[Any, ...]:
    config = opening.get("config") or {}
    return tuple(config.get(field) for field in ("passphrase", "encryption_key", "pbkdf2_iterations"))


# -- The differences ------------------------------------------------------------------


def is_wrong_key(step: Step) -> bool:
    """Somebody else opened the file with another key."""
    keys = {key_of(opening) for opening in step.scenario[: step.index + 1] if opening["do"] == "open"}
    return step.kind == ENCRYPTED and len(keys) > 1 and fails_as(step.ours, "locked")


def is_without_key(step: Step) -> bool:
    has_key = step.config.get("passphrase") or step.config.get("encryption_key")
    return step.kind == ENCRYPTED and not has_key and fails_as(step.ours, "locked")


def is_broken_encrypted_file(step: Step) -> bool:
    """The reference takes it for an empty store; or stumbles in the constructor, where ours reads nothing yet.

    No scenario writes a file that is sound: those are saved.
    """
    hidden = "value" in step.reference or is_missing(step.reference)
    unread = step.operation["do"] == "open" and is_error(step.reference, "UnicodeError") and "value" in step.ours
    is_foreign = any(made["do"] in ("write", "folder") for made in step.scenario[: step.index])
    return step.kind == ENCRYPTED and is_foreign and (hidden and fails_as(step.ours, "malformed", "io") or unread)


def is_a_lost_write(step: Step) -> bool:
    """Two stores saved before this one was opened: in the reference the second save is all there is."""
    before = step.scenario[: step.index]
    writers = {operation["store"] for operation in before if operation["do"] == "save"}
    return (
        step.kind == ENCRYPTED and len(writers) > 1 and step.operation["do"] in ("list", "get") and "value" in step.ours
    )


def is_absent_file(step: Step) -> bool:
    return step.kind in FILES and fails_as(step.ours, "io") and step.text_of("@file") is None


def is_broken_file(step: Step) -> bool:
    unread = step.operation["do"] == "open" and is_error(step.reference, "ValueError") and "value" in step.ours
    is_broken = step.text_of("@file") is not None and not is_sound(step)
    return step.kind in FILES and is_broken and (fails_as(step.ours, "malformed") or unread)


def is_unknown_format(step: Step) -> bool:
    known = {"env", "json", "toml"}
    return step.operation["do"] == "open" and step.config.get("format", "env").lower() not in known


def is_keyring_outage(step: Step) -> bool:
    return step.kind == "KeyringSecretStore" and (
        is_missing(step.reference)
        and fails_as(step.ours, "unavailable")
        or step.operation.get("attribute") == "keyring_available"
    )


def is_stale(step: Step) -> bool:
    """A value whose time is over, while the hook raises what says that the backend does not answer."""
    return step.operation["do"] == "await_call" and is_error(step.reference, "OSError") and has_value(step.ours)


def is_asked_by_itself(step: Step) -> bool:
    return step.reference.get("error", {}).get("type") == "RecursionError" and fails_as(step.ours, "invalid_config")


def changes_of_the_file(step: Step) -> tuple[bool, bool]:
    """Whether the file changed before the first call since the store's construction, and whether after it."""
    changes = changes_since_opening(step)
    called = next((n for n, change in enumerate(changes) if "store" in change), len(changes))
    is_change = [change["do"] in ("write", "remove") for change in changes]
    return any(is_change[:called]), any(is_change[called:])


def is_a_change_of_the_file(step: Step) -> bool:
    return step.kind in FILES and changes_of_the_file(step)[1]


def is_a_first_read(step: Step) -> bool:
    return step.kind in FILES and changes_of_the_file(step)[0]


def is_opened_again(step: Step) -> bool:
    return step.operation["do"] == "open_again" and is_error(step.ours, "RuntimeError")


def is_patched(step: Step) -> bool:
    """A connector answers. A store with a hook of its own has what was put in its place."""
    return step.kind in CONNECTORS and any(change["do"] == "patch" for change in changes_since_opening(step))


def is_reconfigured(step: Step) -> bool:
    live = ("fail_on_missing", "secrets")
    changes = changes_since_opening(step)
    return any(change["do"] == "configure" and change["field"] not in live for change in changes)


def is_a_refused_name(step: Step) -> bool:
    """A name that cannot be one; in a list, where the application's own dictionary holds it, it is left out."""
    if step.operation["do"] == "list" and "value" in step.reference and "value" in step.ours:
        names: list[str] = step.ours["value"]
        return names == [name for name in step.reference["value"] if is_name(name)]
    name = step.operation.get("name", "name")
    if not isinstance(name, str):
        return is_error(step.ours, "TypeError")
    # It is the backend's name that must be one. A variable's ends at the first '='.
    is_refused = not is_name(step.config.get("prefix", "") + name) or step.kind == "EnvSecretStore" and "=" in name
    return is_refused and fails_as(step.ours, "invalid_name")


def is_no_text(step: Step) -> bool:
    """A value that is no `str`, or no Unicode text: it holds half of a surrogate pair."""
    done = step.operation["do"]
    value = step.operation["value"] if done == "set" else step.reference.get("value")
    is_text = isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
    return done in ("get", "set") and "error" in step.ours and value is not None and not is_text


def is_shown(step: Step) -> bool:
    return bool(step.operation["do"] == "shown")


def is_pickled(step: Step) -> bool:
    return step.operation["do"] == "pickle" and is_error(step.ours, "TypeError")


def is_private(step: Step) -> bool:
    return step.operation.get("attribute", "").startswith("_") and is_error(step.ours, "AttributeError")


def is_json_text(step: Step) -> bool:
    """The same value, as Python prints it and as JSON writes it."""
    if step.kind not in TREES or not (has_value(step.reference) and has_value(step.ours)):
        return False
    try:
        return bool(ast.literal_eval(step.reference["value"]) == json.loads(step.ours["value"]))
    except (ValueError, SyntaxError):
        return False


def is_null(step: Step) -> bool:
    """A `null`: its text in the reference. In ours it is missing, or what `secrets` has of the name."""
    return step.kind in TREES and step.reference.get("value") == "None" and None in found(step)


def is_nested(step: Step) -> bool:
    """A name that leads to more than the reference looks at: a key with dots in it, or a deeper level."""
    if step.kind not in TREES or step.operation["do"] != "get" or not has_value(step.ours):
        return False
    if step.kind == "FileSecretStore" and found(step):
        # It looks at no deeper level, and has no value for a table of TOML.
        tree, name = document(step), step.operation["name"]
        return isinstance(tree, dict) and isinstance(tree.get(name, {}), dict)
    return len(found(step)) > 1 or len(found(step)) == 1 and is_missing(step.reference)


def is_screaming_snake(step: Step) -> bool:
    """The value is that of the variable in capitals."""
    if step.kind != "EnvSecretStore" or step.operation["do"] != "get":
        return False
    name = step.config.get("prefix", "") + step.operation["name"]
    variable = "".join(character if character.isalnum() else "_" for character in name).upper()
    values = [change["value"] for change in step.scenario if change["do"] == "env" and change["name"] == variable]
    return is_missing(step.reference) and step.ours.get("value") in values


def is_dialect(step: Step) -> bool:
    """A file with a line on which readers of .env files do not agree."""
    return reads_env(step) and not is_plain(step) and (has_value(step.ours) or is_missing(step.ours))


MEMORY = "MemorySecretStore"

# In the order of the documentation.
DIFFERENCES: list[Difference] = [
    Difference(
        "wrong-key",
        is_wrong_key,
        [
            opened(ENCRYPTED, "t", **IN_KEY),
            does("set", "t", name="KEY", value="one"),
            does("save", "t"),
            opened(ENCRYPTED, file_path="@file", encryption_key="f" * 64),
            does("save"),
            does("list"),
        ],
    ),
    Difference(
        "broken-encrypted-file",
        is_broken_encrypted_file,
        [wrote("{"), opened(ENCRYPTED, **IN_KEY), does("list")],
    ),
    Difference(
        "file-without-key",
        is_without_key,
        [opened(ENCRYPTED, file_path="@file"), does("set", name="KEY", value="one"), does("save")],
    ),
    Difference(
        "two-writers",
        is_a_lost_write,
        [
            opened(ENCRYPTED, "a", **IN_KEY),
            opened(ENCRYPTED, "b", **IN_KEY),
            does("set", "a", name="A", value="one"),
            does("save", "a"),
            does("set", "b", name="B", value="two"),
            does("save", "b"),
            opened(ENCRYPTED, **IN_KEY),
            does("list"),
        ],
    ),
    Difference("absent-file", is_absent_file, [opened("JsonSecretStore", file_path="@file"), get("KEY")]),
    Difference(
        "broken-file",
        is_broken_file,
        [wrote("{"), opened("FileSecretStore", file_path="@file", format="json"), get("KEY")],
    ),
    Difference("unknown-format", is_unknown_format, [opened("FileSecretStore", file_path="@file", format="ini")]),
    Difference("keyring-outage", is_keyring_outage, [opened("KeyringSecretStore"), get("KEY")]),
    Difference(
        "stale-values",
        is_stale,
        [
            opened("HookStore", cache_ttl_ms=30),
            does("fill", name="KEY", value="one"),
            get("KEY"),
            does("break", failure="ConnectionRefusedError"),
            does("await_call", name="KEY", calls=2),
        ],
    ),
    Difference(
        "re-entry",
        is_asked_by_itself,
        [opened("HookStore"), does("break", failure="asks itself"), get("KEY")],
    ),
    Difference(
        "file-changes",
        is_a_change_of_the_file,
        [
            wrote("KEY=one"),
            opened("DotenvSecretStore", file_path="@file", cache_enabled=False),
            get("KEY"),
            wrote("KEY=another"),
            get("KEY"),
        ],
    ),
    Difference(
        "first-read",
        is_a_first_read,
        [
            wrote("KEY=one"),
            opened("DotenvSecretStore", file_path="@file"),
            {"do": "remove", "file": "@file"},
            get("KEY"),
        ],
    ),
    Difference(
        "configuration",
        is_reconfigured,
        [
            opened("BaseSecretStore", secrets={"KEY": "one"}),
            get("KEY"),
            does("configure", field="cache_enabled", value=False),
            does("put", name="KEY", value="two"),
            get("KEY"),
        ],
    ),
    Difference(
        "constructors",
        is_opened_again,
        [opened("BaseSecretStore", secrets={"KEY": "one"}), does("open_again", secrets={"KEY": "two"})],
    ),
    Difference("patched-hooks", is_patched, [opened("EnvSecretStore"), does("patch", value="one"), get("KEY")]),
    Difference("names", is_a_refused_name, [opened(MEMORY, secrets={"a//b": "one"}), get("a//b")]),
    Difference(
        "environment-names",
        is_screaming_snake,
        [{"do": "env", "name": "OPENAI_KEY", "value": "one"}, opened("EnvSecretStore"), get("openai-key")],
    ),
    Difference(
        "nested-names",
        is_nested,
        [wrote('{"a": {"b.c": "one"}}'), opened("JsonSecretStore", file_path="@file"), get("a.b.c")],
    ),
    Difference("values", is_no_text, [opened(MEMORY, secrets={"KEY": 1}), get("KEY")]),
    Difference(
        "json-values",
        is_json_text,
        [wrote('{"KEY": true}'), opened("JsonSecretStore", file_path="@file"), get("KEY")],
    ),
    Difference(
        "json-null",
        is_null,
        [wrote('{"KEY": null}'), opened("FileSecretStore", file_path="@file", format="json"), get("KEY")],
    ),
    Difference(
        "dotenv",
        is_dialect,
        [wrote("export KEY=one"), opened("DotenvSecretStore", file_path="@file"), get("KEY")],
    ),
    Difference("printing", is_shown, [opened(MEMORY, secrets={"KEY": "one"}), does("shown", value="one")]),
    Difference("pickling", is_pickled, [opened(MEMORY, secrets={"KEY": "one"}), does("pickle")]),
    Difference(
        "private-names",
        is_private,
        [opened("DotenvSecretStore", file_path="@file"), does("attribute", attribute="_values")],
    ),
]
