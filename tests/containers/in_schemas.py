"""Tests that the recipes of packaging/containers fit the schemas of Compose and Kubernetes, and agree with one another.

Run by `make schemas`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

RECIPES = Path(__file__).parents[2] / "packaging" / "containers"
EMULATOR = RECIPES / "emulator"
VARIABLE = re.compile(r"IMDSKIT_(?!VERIFIER_)[A-Z_]+")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("compose.yaml")), ids=lambda path: path.parent.name)
def test_compose_files_match_the_schema(path: Path) -> None:
    parsed = compose_spec.ComposeSpecification.model_validate(load(path), extra="forbid")
    assert parsed.services
    complete = compose_spec.PyCompose.from_yaml(path.read_text("utf-8"))
    for validate in (complete.validate_networks, complete.validate_volumes, complete.validate_secrets, complete.validate_configs):
        validate()
    for service in load(path)["services"].values():
        if "build" in service:
            context = path.parent / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize(
    "broken", [{"services": {"imds": {"prots": ["80"]}}}, {"services": {"imds": {"networks": {"x": {"ipv4_address": 7}}}}}]
)
def test_compose_schema_finds_mistakes(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        compose_spec.ComposeSpecification.model_validate(broken, extra="forbid")


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_sidecar_matches_the_schema(version: str) -> None:
    kubernetes_validate.validate(load(EMULATOR / "sidecar.yaml"), version, strict=True)


def test_kubernetes_schema_finds_mistakes() -> None:
    pod = load(EMULATOR / "sidecar.yaml")
    pod["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.29", strict=True)
