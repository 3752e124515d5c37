"""Tests of ``docs/containers.md`` and of the container recipes.

Those commands of the page that need no container engine must write what the page shows. The recipes
must fit the options of the emulator.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from imdskit.cli.emulator import serve
from imdskit.cli.shared import environment
from imdskit.emulator import Emulator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "containers.md").read_text("utf-8")
RECIPES = ROOT / "packaging" / "containers" / "emulator"


def fits(written: str, page: str) -> bool:
    """Return True if a text matches the page. ``...`` on the page stands for any text."""
    return re.fullmatch(".*?".join(re.escape(chunk) for chunk in page.split("...")), written, re.DOTALL) is not None


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_commands_write_what_the_page_shows(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    program = tmp_path / "bin" / "imdskit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imdskit "$@"\n')
    program.chmod(0o755)
    variables = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "python")}
    running: list[subprocess.Popen[str]] = []
    parts = re.split(r"^\$ ", block.replace("8080", free_port()), flags=re.MULTILINE)[1:]
    try:
        for part in parts:
            command, _, expected = part.partition("\n")
            if command.endswith("&"):
                shell = ["sh", "-c", f"exec env {command.removesuffix('&')}"]
                running.append(subprocess.Popen(shell, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True))
                assert running[-1].stdout is not None
                written = running[-1].stdout.readline()
            else:
                written = subprocess.run(
                    ["sh", "-c", command], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60, check=True
                ).stdout
            assert fits(written, expected), (command, written)
    finally:
        for process in running:
            process.terminate()
            process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0]


def test_untested_commands_are_marked() -> None:
    for section in PAGE.split("\n## "):
        if any(re.search(r"^(podman|docker|kubectl)", block, re.MULTILINE) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)):
            assert "*Not run here:*" in section


def options() -> dict[str, argparse.Action]:
    made = argparse.ArgumentParser("serve")
    serve.add_arguments(made)
    return environment.variables(made)


def configuration(given: dict[str, str]) -> argparse.Namespace:
    """Return the options that these environment variables set. Every variable must be known."""
    assert set(given) <= set(options())
    made = argparse.ArgumentParser("serve")
    serve.add_arguments(made)
    return environment.parse(made, [], given)


def image() -> dict[str, str]:
    text = (RECIPES / "Containerfile").read_text("utf-8")
    return dict(word.split("=", 1) for word in re.findall(r"^ENV (\S+)$", text, re.MULTILINE))


def load(name: str) -> Any:
    return yaml.safe_load((RECIPES / name).read_text("utf-8"))


def test_image_is_configured_as_the_page_says() -> None:
    shown = dict(word.split("=", 1) for word in re.findall(r"`(IMDSKIT_\w+=\S+?)`", PAGE.partition("The image sets")[2]))
    assert shown == image()
    assert configuration(image()).public_url == "http://169.254.169.254"


def test_compose_file_puts_the_emulator_at_the_service_address() -> None:
    recipe = load("compose.yaml")
    service = recipe["services"]["imds"]
    made = configuration({**image(), **service["environment"]})
    assert service["networks"]["metadata"]["ipv4_address"] == "169.254.169.254"
    assert recipe["networks"]["metadata"]["ipam"]["config"][0]["subnet"] == "169.254.169.0/24"
    assert (made.host, made.port, made.public_url) == ("0.0.0.0", 80, "http://169.254.169.254")
    assert service["ports"] == [f"127.0.0.1:{made.admin_port}:{made.admin_port}"]
    assert set(recipe["services"]["client"]) == {"image", "command", "depends_on", "networks"}


def test_sidecar_listens_on_the_added_address() -> None:
    pod = load("sidecar.yaml")["spec"]
    address, sidecar = pod["initContainers"]
    made = configuration({**image(), **{each["name"]: each["value"] for each in sidecar["env"]}})
    assert f"ip address add {made.host}/32 dev lo" in address["command"][-1]
    assert made.public_url == f"http://{made.host}"
    assert address["securityContext"]["capabilities"]["add"] == ["NET_ADMIN"]
    assert sidecar["restartPolicy"] == "Always"
    assert not [each for each in (sidecar, *pod["containers"]) if each["securityContext"]["capabilities"] != {"drop": ["ALL"]}]


def test_recipe_probes_detect_whether_the_emulator_works() -> None:
    text = (RECIPES / "Containerfile").read_text("utf-8")
    probe = json.loads(re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.MULTILINE)[0])
    sidecar = load("sidecar.yaml")["spec"]["initContainers"][1]["startupProbe"]["exec"]["command"]
    assert sidecar == [word.replace("127.0.0.1", "169.254.169.254") for word in probe]
    with Emulator("linux", seed=1, health=True) as imds:
        port = imds.url.rpartition(":")[2]
        words = [sys.executable, "-c", probe[2].replace("80,", f"{port},")]
        assert subprocess.run(words, timeout=60, check=False).returncode == 0
        imds.stop()
        assert subprocess.run(words, timeout=60, check=False, stderr=subprocess.DEVNULL).returncode != 0
