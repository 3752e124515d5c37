"""Tests of the syntax of the container recipes and of the settings in them. They need no container engine. ``make service`` runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from imdskit.attestation_service import Settings

FOLDER = Path(__file__).resolve().parents[2] / "packaging" / "containers"
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in (FOLDER / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def image_environment() -> dict[str, str]:
    return dict(value.split("=", 1) for name, value in instructions() if name == "ENV")


def test_container_recipe_has_known_instructions_and_settings() -> None:
    found = instructions()
    assert {name for name, _ in found} == INSTRUCTIONS
    for name, value in found:
        if name in ("HEALTHCHECK", "CMD"):
            command = json.loads(value.removeprefix("CMD "))
            assert all(isinstance(word, str) for word in command)
    for source in (value.split()[:-1] for name, value in found if name == "COPY" and not value.startswith("--from")):
        assert all((FOLDER.parents[1] / path).exists() for path in source)
    assert Settings.read(environment={**image_environment(), "IMDSKIT_VERIFIER_STORE": "redis://store"}).keys_file == Path(
        "/run/secrets/keys"
    )


def test_compose_file_has_known_settings_and_defined_secrets() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    verifier = compose["services"]["verifier"]
    settings = Settings.read(environment={**image_environment(), **verifier["environment"]})
    assert re.fullmatch(r"redis://store:6379/0", settings.store)
    assert {"store"} == set(verifier["depends_on"]) <= set(compose["services"])
    assert set(verifier["secrets"]) == set(compose["secrets"])
    assert {f"/run/secrets/{name}" for name in compose["secrets"]} == {str(settings.keys_file), str(settings.nonce_key_file)}
    assert (FOLDER / verifier["build"]["context"] / verifier["build"]["dockerfile"]).resolve() == FOLDER / "Containerfile"
