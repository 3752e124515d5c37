"""Tests of the crates that can be published: their documentation, their data and what the extension takes from them."""

import dataclasses
import re
import ssl
from pathlib import Path

import pytest

from imdskit.backends.contract import Limits, Setup
from imdskit.clouds import CLOUDS
from imdskit.verify import Trust

RUST = Path(__file__).parents[1] / "rust"
PUBLISHED = ("core", "multibuffer")


@pytest.mark.parametrize("crate", PUBLISHED)
def test_published_crate_has_readme_licence_and_example(crate: str) -> None:
    folder = RUST / crate
    assert "\npublish = true\n" in (folder / "Cargo.toml").read_text()
    assert "\nrepository.workspace = true\n" in (folder / "Cargo.toml").read_text()
    assert (folder / "LICENSE").read_bytes() == (RUST.parent / "LICENSE").read_bytes()
    assert (folder / "README.md").read_text().startswith(f"# imdskit-{crate}\n")
    assert list((folder / "examples").glob("*.rs"))


@pytest.mark.parametrize("crate", PUBLISHED)
def test_crate_documentation_does_not_mention_python(crate: str) -> None:
    documented = re.compile(r"^\s*//[/!].*\b(python|the twin of)\b", re.IGNORECASE | re.MULTILINE)
    wrong = [
        f"{path.relative_to(RUST)}: {match.group().strip()}"
        for path in sorted((RUST / crate).rglob("*.rs"))
        if "tests" not in path.parts
        for match in documented.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not wrong
    for name in ("README.md", "Cargo.toml"):
        assert "python" not in (RUST / crate / name).read_text().lower(), name


def pem(name: str) -> list[bytes]:
    text = (RUST / "core" / "roots" / name).read_text()
    blocks = re.findall("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


def test_crate_bundles_the_certificates_of_the_package() -> None:
    trust = Trust.bundled()
    assert pem("anchors.pem") == list(trust.anchors)
    assert pem("intermediates.pem") == list(trust.intermediates)


def test_crate_has_the_clouds_of_the_package() -> None:
    source = (RUST / "core" / "src" / "roots.rs").read_text()
    pairs = re.findall(r'^    \("(\w+)", "([\w.]+)"\),$', source, re.MULTILINE)
    assert pairs == [(cloud.name, cloud.domain) for cloud in CLOUDS]


def test_extension_reads_every_member_of_the_setup() -> None:
    """Compare the members. `Setup` and `Limits` of the crate have defaults, so the compiler does not notice a member that is never read."""
    source = (RUST / "python" / "src" / "setup.rs").read_text()
    listed = re.findall(r"members!\(read = \w+: ([\w, ]+)\);", source)
    read = {*re.findall(r"    read\.(\w+) = ", source), *", ".join(listed).split(", ")}
    assert read == {member.name for record in (Setup, Limits) for member in dataclasses.fields(record)}


def test_no_rust_function_has_too_many_arguments_for_clippy() -> None:
    assert not [path.name for path in RUST.rglob("*.rs") if "too_many_arguments" in path.read_text(encoding="utf-8")]
