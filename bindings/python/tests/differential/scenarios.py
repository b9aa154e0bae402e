"""Generated scenarios: files, how a store is opened, and what is done with it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from differences import is_name
from peers import Operation

Scenario = list[Operation]

COMMON_NAMES = ["KEY", "OPENAI_API_KEY", "openai-key"]
# Names that trip implementations up.
AWKWARD_NAMES = ["a b", "a/b", "a.b", "a=b", "...", "constructor", "__proto__", "__class__", "ключ", "x" * 2048]
# Names that ours refuses: see the listed differences.
REFUSED_NAMES = ["", "a//b", "/a", "..", "../x", "a\nb", "a\x00b", "x" * 2049]

some_text = st.text(st.characters(codec="utf-8"), max_size=6)
common_names = st.sampled_from(COMMON_NAMES)
# Most of a scenario's reads should be about what is there, so names are mostly taken from a few. A name that is refused
# would end it: what comes after a difference is not compared.
names = st.one_of(common_names, common_names, common_names, st.sampled_from(AWKWARD_NAMES), some_text.filter(is_name))
all_names = names | st.sampled_from(REFUSED_NAMES) | some_text

AWKWARD_VALUES = [
    "",
    " ",
    "\n",
    "\x00",
    "$HOME",
    "${X}",
    "a=b",
    '"',
    "'",
    "\\",
    "\\n",
    "ключ 🔑",
    "\r\n",
    "v" * 70_000,
]
values = (
    st.sampled_from(["one", "two", "three"])
    | st.sampled_from(AWKWARD_VALUES)
    | st.text(st.characters(codec="utf-8"), max_size=12)
)

secrets = st.dictionaries(names, values, max_size=5)


@st.composite
def resolution(draw: st.DrawFn) -> dict[str, Any]:
    """The fields that every configuration has, any of them left to its default.

    No scenario outlives a TTL, and 0 and less is none.
    """
    choices: dict[str, st.SearchStrategy[Any]] = {
        "cache_enabled": st.booleans(),
        "cache_ttl_ms": st.sampled_from([300_000, 3_600_000, 0, -1]),
        "fail_on_missing": st.booleans(),
    }
    return {field: draw(choice) for field, choice in choices.items() if draw(st.booleans())}


def on(store: str, do: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.fixed_dictionaries({"do": st.just(do), "store": st.just(store), **arguments})


reads = on("s", "get", name=names) | on("s", "clear_cache")
dictionary = on("s", "put", name=names, value=values) | on("s", "drop", name=names) | on("s", "secrets")
writes = on("s", "set", name=names, value=values) | on("s", "delete", name=names) | on("s", "list")
configuring = on("s", "configure", field=st.just("fail_on_missing"), value=st.booleans())
hooks = st.one_of(
    on("s", "fill", name=names, value=values | st.none()),
    on(
        "s",
        "break",
        failure=st.sampled_from(["KeyError", "ValueError", "OSError", "ConnectionRefusedError", "RuntimeError"]),
    ),
    on("s", "break", failure=st.none()),
    on("s", "calls"),
)
environment = st.fixed_dictionaries(
    {
        "do": st.just("env"),
        # What the operating system takes: a name without '=' and NUL, a value without NUL.
        "name": st.sampled_from(["KEY", "APP_KEY", "OPENAI_API_KEY", "openai-key", "OPENAI_KEY", "ключ"]),
        "value": st.none() | st.sampled_from(["one", "two", ""]) | values.filter(lambda text: "\x00" not in text),
    }
)


@st.composite
def scenario(
    draw: st.DrawFn,
    kind: str,
    steps: st.SearchStrategy[Operation],
    fields: st.SearchStrategy[dict[str, Any]] | None = None,
    before: st.SearchStrategy[Scenario] | None = None,
) -> Scenario:
    """A store of class `kind`, and up to a dozen steps with it."""
    config = draw(resolution()) | (draw(fields) if fields is not None else {})
    opening: Operation = {"do": "open", "store": "s", "kind": kind, "config": config}
    return [
        *(draw(before) if before is not None else []),
        opening,
        *draw(st.lists(steps, min_size=1, max_size=12)),
    ]


given_secrets = st.fixed_dictionaries({"secrets": secrets})

base = scenario("BaseSecretStore", reads | dictionary | configuring, given_secrets)
prefix = scenario("PrefixStore", reads | dictionary, given_secrets)
shouting = scenario("ShoutingStore", reads | dictionary, given_secrets)
hook = scenario("HookStore", reads | hooks)
managed = scenario("ManagedStore", reads | hooks | writes)
memory = scenario("MemorySecretStore", reads | dictionary | writes, given_secrets)
memory_of_all_names = scenario(
    "MemorySecretStore",
    st.one_of(
        on("s", "get", name=all_names),
        on("s", "set", name=all_names, value=values),
        on("s", "delete", name=all_names),
        on("s", "list"),
    ),
    st.fixed_dictionaries({"secrets": st.dictionaries(all_names, values, max_size=5)}),
)


@st.composite
def sharing(draw: st.DrawFn) -> Scenario:
    """Two stores over one dictionary, each with a cache of its own."""
    kinds = st.sampled_from(["MemorySecretStore", "BaseSecretStore"])
    config = draw(resolution()) | {"secrets": draw(secrets)}
    first: Operation = {"do": "open", "store": "s", "kind": "MemorySecretStore", "config": config}
    second: Operation = {"do": "open_beside", "store": "t", "kind": draw(kinds), "other": "s"}
    steps = reads | dictionary | writes | on("t", "get", name=names) | on("t", "clear_cache")
    return [first, second, *draw(st.lists(steps, min_size=1, max_size=12))]


shared = sharing()
env = scenario(
    "EnvSecretStore",
    reads | environment,
    st.fixed_dictionaries({}, optional={"prefix": st.sampled_from(["", "APP_"])}),
    st.lists(environment, max_size=4),
)


# -- Files -----------------------------------------------------------------------


def written(text: str) -> Scenario:
    """The step that makes the file of a scenario."""
    return [{"do": "write", "file": "@file", "text": text}]


# Lines on whose meaning every reader of .env files agrees, the reference among them.
PLAIN_KEYS = ["KEY", "OPENAI_API_KEY", "openai-key", "a.b", "lower_case"]
PLAIN_VALUES = ["one", "sk-123", "a=b", "with space", "", "ключ", "x/y+z==", "12"]
plain_lines = st.one_of(
    st.builds("{}={}".format, st.sampled_from(PLAIN_KEYS), st.sampled_from(PLAIN_VALUES)),
    st.builds('{}="{}"'.format, st.sampled_from(PLAIN_KEYS), st.sampled_from(PLAIN_VALUES)),
    st.builds("{}='{}'".format, st.sampled_from(PLAIN_KEYS), st.sampled_from(PLAIN_VALUES)),
    st.builds("  {} = {}  ".format, st.sampled_from(PLAIN_KEYS), st.sampled_from(PLAIN_VALUES)),
    st.sampled_from(["", "   ", "# a comment", "  # KEY=comment"]),
)
plain_env_files = st.lists(plain_lines, max_size=6).map(lambda lines: "".join(line + "\n" for line in lines))

# And lines on which they do not.
free_lines = plain_lines | st.sampled_from(
    [
        "export KEY=one",
        "KEY: one",
        "KEY",
        "=one",
        "KEY=one # comment",
        "KEY=one\t# comment",
        "KEY=one#two",
        "KEY=one\\",
        'KEY="a\\nb"',
        'KEY="one" # comment',
        'KEY="one',
        "KEY='one",
        "KEY=`one`",
        'KEY="one" two',
        "KEY=it's",
        "no assignment here",
        "\ufeffKEY=one",
    ]
)
env_files = st.lists(free_lines, max_size=6).map("\n".join)

env_names = st.sampled_from([*PLAIN_KEYS, "MISSING", "export KEY"])
env_reads = on("s", "get", name=env_names) | on("s", "clear_cache")
override = st.fixed_dictionaries({"file_path": st.just("@file")}, optional={"override_env": st.booleans()})

dotenv_plain = scenario("DotenvSecretStore", env_reads | environment, override, plain_env_files.map(written))
dotenv = scenario("DotenvSecretStore", env_reads, override, env_files.map(written))
file_env = scenario(
    "FileSecretStore",
    env_reads | dictionary,
    st.fixed_dictionaries(
        {"file_path": st.just("@file"), "secrets": secrets},
        optional={"format": st.sampled_from(["env", "ENV"])},
    ),
    plain_env_files.map(written),
)

KEYS = ["KEY", "a", "b", "c", "a.b"]
texts = st.sampled_from(["one", "two", "", "ключ"])
leaves = texts | texts | st.integers(-5, 10**20) | st.booleans() | st.none() | st.floats(allow_nan=False)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from(KEYS), trees, max_size=4)
json_files = documents.map(lambda document: written(json.dumps(document)))
tree_names = st.sampled_from([*KEYS, "a.b.c", "a.a", "b.c", "a.b.a", "missing", "a.", ".a", ""])
tree_reads = on("s", "get", name=tree_names) | on("s", "clear_cache")

json_store = scenario(
    "JsonSecretStore",
    tree_reads,
    st.fixed_dictionaries(
        {"file_path": st.just("@file")}, optional={"json_path": st.sampled_from(["", "a", "a.b", "missing"])}
    ),
    json_files,
)
file_json = scenario(
    "FileSecretStore",
    tree_reads | dictionary,
    st.fixed_dictionaries({"file_path": st.just("@file"), "format": st.just("json"), "secrets": secrets}),
    json_files,
)


def toml(document: dict[str, Any]) -> str:
    """A table of texts and numbers, with tables of the same."""
    lines: list[str] = []
    tables: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict):
            tables += [f"[{key}]", *(f"{inner} = {json.dumps(leaf)}" for inner, leaf in value.items())]
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join([*lines, *tables])


toml_leaves = st.sampled_from(["one", "two", ""]) | st.integers(-5, 5) | st.booleans()
toml_files = st.dictionaries(
    st.sampled_from(["KEY", "a", "b"]),
    toml_leaves | st.dictionaries(st.sampled_from(["KEY", "c"]), toml_leaves, max_size=2),
    max_size=3,
).map(lambda document: written(toml(document)))
file_toml = scenario(
    "FileSecretStore",
    on("s", "get", name=st.sampled_from(["KEY", "a", "b", "a.KEY", "a.c", "b.c", "missing"])) | dictionary,
    st.fixed_dictionaries({"file_path": st.just("@file"), "format": st.just("toml"), "secrets": secrets}),
    toml_files,
)

# Whatever may be found where a file should be.
broken_files: st.SearchStrategy[Scenario] = st.sampled_from(
    [
        [],
        [{"do": "folder", "file": "@file"}],
        written(""),
        written("{"),
        written("[1]"),
        written("null"),
        written('"text"'),
        written('{"KEY": "one"} more'),
        written("KEY=\udcff"),
        written('{"KEY": "\udcff"}'),
        written("= = ="),
    ]
)
broken = st.one_of(
    scenario("JsonSecretStore", tree_reads, st.just({"file_path": "@file"}), broken_files),
    scenario("DotenvSecretStore", env_reads, st.just({"file_path": "@file"}), broken_files),
    *(
        scenario("FileSecretStore", env_reads, st.just({"file_path": "@file", "format": format}), broken_files)
        for format in ("env", "json", "toml", "unknown")
    ),
)


# -- Encrypted files -------------------------------------------------------------

HEX_KEY = "0123456789abcdef" * 4
# Few iterations: the derivation is the same, and a test is no password.
KEYS_OF_FILES: list[dict[str, Any]] = [
    {"passphrase": "correct horse", "pbkdf2_iterations": 10},
    {"passphrase": "пароль", "pbkdf2_iterations": 1},
    {"encryption_key": HEX_KEY},
    {"encryption_key": HEX_KEY.upper(), "passphrase": "ignored"},
]
credentials = st.sampled_from(KEYS_OF_FILES)
saving = on("s", "save")
crypto = on("s", "attribute", attribute=st.just("crypto_available"))


@st.composite
def encrypted_and_reopened(draw: st.DrawFn) -> Scenario:
    """Writes, saves, and another store that opens what was saved."""
    config = {"file_path": "@file", **draw(credentials)}
    first: Operation = {
        "do": "open",
        "store": "s",
        "kind": "EncryptedFileSecretStore",
        "config": config | draw(resolution()),
    }
    second: Operation = {
        "do": "open",
        "store": "t",
        "kind": "EncryptedFileSecretStore",
        "config": config | draw(resolution()),
    }
    steps = draw(st.lists(reads | writes | saving | crypto, min_size=1, max_size=10))
    again = draw(st.lists(on("t", "get", name=names) | on("t", "list"), min_size=1, max_size=4))
    return [first, *steps, {"do": "save", "store": "s"}, second, *again]


encrypted = encrypted_and_reopened()
encrypted_in_memory = scenario("EncryptedFileSecretStore", reads | writes | crypto)
MISUSES: list[dict[str, Any]] = [
    {},
    {"passphrase": "p", "pbkdf2_iterations": 1},
    {"file_path": "@file"},
    {"encryption_key": "abc"},
    {"encryption_key": "g" * 64},
    {"passphrase": "p", "pbkdf2_iterations": 0},
    {"file_path": "@folder/file", "encryption_key": HEX_KEY},
]
in_key: dict[str, Any] = {"file_path": "@file", "encryption_key": HEX_KEY}
encrypted_misused = st.one_of(
    scenario("EncryptedFileSecretStore", reads | writes | saving, st.sampled_from(MISUSES)),
    scenario("EncryptedFileSecretStore", reads | writes | saving, st.just(in_key), broken_files),
)

keyring = scenario(
    "KeyringSecretStore",
    reads | on("s", "attribute", attribute=st.just("keyring_available")),
    st.fixed_dictionaries({}, optional={"service_name": st.just("modelmesh-test")}),
)
