"""Build an image of the emulator on Debian without a container engine. mmdebstrap installs Debian, and umoci writes the image. Needs root.

python3 packaging/containers/emulator/build_image.py LAYOUT

This command writes an OCI image layout with the tag `emulator`. The image has the settings of the Containerfile. It
uses Debian's Python, and is not based on the image python:3.13-slim.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "python" / "imdskit"
SUITE = "bookworm"
PACKAGES = ("python3-minimal", "libpython3-stdlib")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "_native*")


def settings(containerfile: str) -> list[str]:
    """Return the options of ``umoci config`` for the settings of a Containerfile."""
    variables = re.findall(r"^ENV (\S+=\S+)$", containerfile, re.MULTILINE)
    user = re.findall(r"^USER (\d+)$", containerfile, re.MULTILINE)[-1]
    port = re.findall(r"^EXPOSE (\d+)$", containerfile, re.MULTILINE)[-1]
    entrypoint = ("/usr/bin/python3", "-m", "imdskit")
    return [
        *(f"--config.env={variable}" for variable in variables),
        *(f"--config.entrypoint={word}" for word in entrypoint),
        "--config.cmd=serve",
        f"--config.user={user}:{user}",
        f"--config.exposedports={port}/tcp",
    ]


def build(layout: Path) -> None:
    """Write the image to a folder that does not exist yet."""
    image = f"{layout}:emulator"
    with tempfile.TemporaryDirectory() as folder:
        base, package = Path(folder, "base"), Path(folder, "imdskit")
        base.mkdir(mode=0o755)
        run("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}", SUITE, str(base))
        shutil.copytree(PACKAGE, package, ignore=NOT_SHIPPED)
        run("umoci", "init", "--layout", str(layout))
        run("umoci", "new", "--image", image)
        run("umoci", "insert", "--image", image, str(base), "/")
        run("umoci", "insert", "--image", image, str(package), "/usr/lib/python3/dist-packages/imdskit")
    run("umoci", "config", "--image", image, *settings((HERE / "Containerfile").read_text("utf-8")))


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=600)


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute())
