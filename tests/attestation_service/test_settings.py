"""Tests of the settings from file, environment and command line, and of the key files."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from imdskit.attestation_service import Settings
from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.attestation_service.metrics import FAMILIES
from imdskit.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "attestation-service-reference.md"


def test_later_sources_override_earlier_ones(tmp_path: Path) -> None:
    file = tmp_path / "verifier.toml"
    file.write_text('keys_file = "keys"\nmax_age = 100\nnonce_lifetime = 50\nmax_concurrent = 5\n')
    environment = {"IMDSKIT_VERIFIER_MAX_AGE": "200", "IMDSKIT_VERIFIER_NONCE_LIFETIME": "60", "IMDSKIT_VERIFIER_CONFIG": str(file)}
    settings = Settings.read(None, environment, {"max_age": "300"})
    assert (settings.max_age, settings.nonce_lifetime, settings.max_concurrent) == (300, 60, 5)
    assert settings.rate_per_second == 100


def test_paths_in_a_file_are_relative_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "verifier.toml"
    file.write_text('keys_file = "keys"\nstore = "sqlite:used.db"\nnonce_key_file = "/run/secret"\ntrust_anchors = ["a.pem", "b.pem"]\n')
    monkeypatch.chdir(tmp_path)
    settings = Settings.read("etc/verifier.toml", {"IMDSKIT_VERIFIER_AUDIT_LOG": "audit.jsonl"})
    assert settings.keys_file == tmp_path / "etc" / "keys"
    assert settings.store == f"sqlite:{tmp_path / 'etc' / 'used.db'}"
    assert settings.nonce_key_file == Path("/run/secret")
    assert settings.trust_anchors == (tmp_path / "etc" / "a.pem", tmp_path / "etc" / "b.pem")
    assert settings.audit_log == str(tmp_path / "audit.jsonl")


INVALID: dict[str, list[Any]] = {
    "keys_file": ["", 1, "a\x00b"],
    "store": ["", "disk", "sqlite:", "redis://", "http://host", "redis://[", 7, ["memory"]],
    "store_timeout": [0, "0", "x", 61, 1.5, True, "", "\u0661", "9" * 5000],
    "trust_anchors": [[], [1], "", ",", {}],
    "clouds": ["mars", [], ["public", "mars"]],
    "max_age": ["9", 21_601, "-5", "1e3"],
    "nonce_lifetime": ["301", 9],
    "max_concurrent": [0],
    "rate_per_second": [0],
    "audit_log": [""],
    "backend": ["go", None],
    "keys_files": ["x"],
    "MAX_AGE": [5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in INVALID.items() for value in values], ids=lambda v: repr(v)[:30]
)
def test_error_names_the_invalid_setting(name: str, value: Any, tmp_path: Path) -> None:
    lines = {"keys_file": '"keys"', name: toml(value)}
    (tmp_path / "verifier.toml").write_text("".join(f"{key} = {text}\n" for key, text in lines.items()))
    found = []
    with pytest.raises(UsageError) as refusal:
        Settings.read(tmp_path / "verifier.toml", {})
    found.append(refusal.value)
    if isinstance(value, str) and "\x00" not in value and name.islower():
        with pytest.raises(UsageError) as refusal:
            Settings.read(None, {"IMDSKIT_VERIFIER_KEYS_FILE": "keys", f"IMDSKIT_VERIFIER_{name.upper()}": value})
        found.append(refusal.value)
    for error in found:
        assert f"`{name}`" in error.message
        assert len(str(error)) < 500


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in value) + '"'
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{}"
        case None:
            return '""'
        case _:
            return str(value)


def test_refuses_contradictory_settings(tmp_path: Path) -> None:
    given = {"keys_file": "k"}
    for more in (
        {"nonce_lifetime": "200", "max_age": "100"},
        {"trust_bundle": "b", "trust_anchors": "a"},
        {"nonce_key_file": "n", "store": "memory"},
    ):
        with pytest.raises(UsageError):
            Settings.read(None, {}, {**given, **more})


def test_key_file_is_required() -> None:
    with pytest.raises(UsageError, match="IMDSKIT_VERIFIER_KEYS_FILE"):
        Settings.read(None, {})


def test_refuses_unknown_variables_except_those_of_kubernetes() -> None:
    given = {"IMDSKIT_VERIFIER_KEYS_FILE": "keys"}
    kubernetes = {
        "IMDSKIT_VERIFIER_SERVICE_HOST": "10.0.0.1",
        "IMDSKIT_VERIFIER_SERVICE_PORT": "80",
        "IMDSKIT_VERIFIER_SERVICE_PORT_HTTP": "80",
        "IMDSKIT_VERIFIER_PORT": "tcp://10.0.0.1:80",
        "IMDSKIT_VERIFIER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "IMDSKIT_VERIFIER_PORT_80_TCP_ADDR": "10.0.0.1",
        "IMDSKIT_NATIVE": "off",
    }
    assert Settings.read(None, {**given, **kubernetes}).max_age == 300
    with pytest.raises(UsageError) as refusal:
        Settings.read(None, {**given, "IMDSKIT_VERIFIER_MAX_AEG": "60"})
    assert (refusal.value.location, "max_age" in refusal.value.hint) == ("IMDSKIT_VERIFIER_MAX_AEG", True)


@pytest.mark.parametrize(
    "content", [b"x", b"[", b"\xff", b"a = " + b"[" * 50_000, b"#" * (1024 * 1024 + 1)], ids=lambda value: repr(value[:10])
)
def test_refuses_file_that_is_not_toml(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "verifier.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"verifier\.toml"):
        Settings.read(tmp_path / "verifier.toml", {})


def test_refuses_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Settings.read(tmp_path / "verifier.toml", {})


def test_messages_do_not_repeat_the_store_password() -> None:
    with pytest.raises(UsageError) as refusal:
        Settings.read(None, {}, {"keys_file": "k", "store": "rediss:/user:geheim@host"})
    assert "geheim" not in f"{refusal.value!r}"


def test_example_configures_several_processes() -> None:
    settings = Settings.read(PAGE.parents[1] / "examples" / "attestation_service" / "verifier.toml", {})
    assert settings.store.startswith("sqlite:") and settings.nonce_key_file is not None


def rows(heading: str) -> list[tuple[str, str]]:
    """Return the first two cells of each row of the table below a heading of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (.*?) \| ", section, re.MULTILINE)


def shown(default: Any) -> str:
    if default is MISSING:
        return "required"
    text = ",".join(default) if isinstance(default, tuple) else default
    return f"`{text}`" if text else "none"


def test_page_lists_every_setting_with_its_default() -> None:
    assert rows("Settings") == [(each.name, shown(each.default)) for each in fields(Settings)]


def test_page_lists_every_metric_with_its_type() -> None:
    assert rows("Metrics") == [(name, family.kind) for name, family in FAMILIES.items()]


# Key files


def test_new_key_is_found_only_by_its_value(tmp_path: Path) -> None:
    made = [keys.new(name, frozenset({role})) for name, role in (("a", Role.CLIENT), ("b", Role.OPERATOR))]
    path = tmp_path / "keys"
    path.write_text("# keys\n\n" + "\n".join(f"  {line}  # since today" for _, line in made))
    known = keys.read(path)
    for (key, _), name in zip(made, "ab", strict=True):
        found = keys.find(key, known)
        assert found is not None and found.name == name
        assert key not in path.read_text()
    for presented in ("", "a", made[0][0][:-1], made[0][0] + "x", made[0][1], "\udcff"):
        assert keys.find(presented, known) is None


GOOD = "name client sha256:" + "a" * 64


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing\n",
        "name client",
        GOOD.replace("client", "root"),
        GOOD.replace("client", "client,"),
        GOOD.replace("a" * 64, "a" * 63),
        GOOD.replace("a" * 64, "A" * 64),
        GOOD.replace("sha256", "md5"),
        "a b " + GOOD,
        "n" * 65 + GOOD[4:],
        f"{GOOD}\n{GOOD}",
        f"{GOOD}\nother{GOOD[4:]}",
        GOOD + " \u00e9",
        "\n".join(f"k{n} client sha256:{n:064x}" for n in range(1001)),
    ],
    ids=lambda text: text[:20],
)
def test_refuses_invalid_key_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(UsageError) as refusal:
        keys.read(tmp_path / "keys")
    assert str(tmp_path / "keys") in refusal.value.location


@pytest.mark.parametrize("content", ["", "ab" * 31, "AB" * 32, "xy" * 32, "a" * 65, "\n".join(["ab" * 32] * 3)], ids=lambda text: text[:9])
def test_refuses_invalid_nonce_key_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(UsageError):
        keys.read_nonce_keys(tmp_path / "secret")
