"""Check the artefacts of `make release`: `release_check.py FOLDER` builds the same commit again elsewhere, and compares the bytes.

The second build has another path, umask, time zone and CARGO_HOME. Then the script searches the artefacts for paths of the build machine,
and runs third-party tools that check them. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import release

TOOLS = Path(sys.executable).parent
NEEDED = ("sboms/imdskit-py.cyclonedx.json", "licenses/LICENSE", "licenses/THIRD-PARTY-LICENSES.txt", "licenses/rust-standard-library.html")
"""Files that the ``.dist-info`` of each native wheel of a release must contain."""


def main(first: Path) -> int:
    """Run all checks, print every problem, and return the exit status."""
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    with tempfile.TemporaryDirectory(prefix="imdskit-release-") as temporary:
        second = build_again(Path(temporary), cargo_home)
        wrong = [f"{name} differs between two builds." for name in differences(first, second)]
    folders = {str(release.ROOT), temporary, str(cargo_home), f"{Path.home()}/"}
    for path in sorted(first.iterdir()):
        wrong += [f"{path.name}: {member} contains the path {folder}" for member, folder in paths_inside(path, folders)]
    for wheel in first.glob("*-abi3-*.whl"):
        wrong += [f"{wheel.name} has no {name}." for name in missing_parts(wheel)]
        wrong += [] if release.MANYLINUX in wheel.name else [f"{wheel.name} is not a wheel for {release.MANYLINUX}."]
    wrong += complaints(TOOLS, [*first.glob("*.whl")], [*first.glob("*.tar.gz")])
    print("\n".join(wrong) or f"Both builds gave the same {len(list(first.iterdir()))} files, and no check complains.")
    return bool(wrong)


def build_again(folder: Path, cargo_home: Path) -> Path:
    """Build the commit in a clone, and return the folder with the artefacts."""
    clone = folder / "another" / "path"
    release.run("git", "clone", "--quiet", release.ROOT, clone)
    (folder / "cargo").mkdir()
    if (cargo_home / "config.toml").is_file():  # it may name a mirror of the crate registry
        shutil.copy(cargo_home / "config.toml", folder / "cargo")
    env = os.environ | {"CARGO_HOME": str(folder / "cargo"), "TZ": "Asia/Kolkata"}
    subprocess.run(["make", "release"], cwd=clone, env=env, umask=0o077, check=True)
    return clone / "dist"


def differences(first: Path, second: Path) -> list[str]:
    """Return the names of files that differ, or exist in only one of the folders."""
    names = {path.name for folder in (first, second) for path in folder.iterdir()}
    return sorted(name for name in names if _content(first / name) != _content(second / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def paths_inside(artefact: Path, folders: Collection[str]) -> Iterator[tuple[str, str]]:
    """Search the members of a wheel or an archive for the paths of the folders. For each hit, yield the name of the member and the path."""
    for name, content in _members(artefact):
        yield from ((name, folder) for folder in folders if folder.encode() in content)


def _members(artefact: Path) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(artefact):
        with zipfile.ZipFile(artefact) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
    elif tarfile.is_tarfile(artefact):
        with tarfile.open(artefact) as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    yield member.name, file.read()
    else:
        yield artefact.name, artefact.read_bytes()


def missing_parts(wheel: Path) -> list[str]:
    """Return which of the files ``NEEDED`` a wheel lacks."""
    with zipfile.ZipFile(wheel) as archive:
        found = {name.partition(".dist-info/")[2] for name in archive.namelist()}
    return [name for name in NEEDED if name not in found]


def complaints(tools: Path, wheels: Iterable[Path], sdists: Iterable[Path]) -> list[str]:
    """Return the output of each tool that reports a problem. ``tools`` is the folder of the programs."""
    wheels = sorted(wheels)
    native = [wheel for wheel in wheels if "-abi3-" in wheel.name]
    commands: list[list[str | Path]] = [
        [tools / "twine", "check", "--strict", *wheels, *sdists],
        [tools / "check-wheel-contents", *wheels],
        [tools / "abi3audit", "--strict", *native],
    ]
    done = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
    found = [f"{one.args[0]}:\n{one.stdout}{one.stderr}" for one in done if one.returncode]
    for wheel in native:
        shown = subprocess.run([tools / "auditwheel", "show", wheel], capture_output=True, text=True, check=False)
        platform = wheel.stem.rpartition("-")[2].rpartition(".")[2]
        if shown.returncode or (platform.startswith("manylinux") and f'platform tag:\n"{platform}"' not in shown.stdout):
            found.append(f"auditwheel:\n{shown.stdout}{shown.stderr}")
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
