"""Build everything that is published, from the last commit: `release.py FOLDER`.

FOLDER receives the source distribution, the pure wheel, a manylinux wheel for each of ``TARGETS``, both zipapps and ``SHA256SUMS``. A
second build of the same commit with the same Rust gives the same bytes, on any machine and at any time. The wheels and zipapps are built
from the source distribution. `make release` runs this script with the tools that ``release-requirements.txt`` pins.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
MANYLINUX = "manylinux_2_17"
NOT_OURS = re.compile(
    r"(IMDSKIT|MATURIN|AWS_LC|RUSTC|PYO3|CARGO_(BUILD|PROFILE|TARGET|ENCODED))_|RUSTFLAGS|(TARGET_|HOST_)?(CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS)"
    r"|SOURCE_DATE_EPOCH|PYTHONPATH"
)
"""Pattern for the names of environment variables that would change the artefacts. The build does not get these variables."""


def main(out: Path, work: Path) -> None:
    """Build into the folder ``out``, with ``work`` as working folder. Both folders are emptied first."""
    if run("git", "status", "--porcelain", "--untracked-files=no", cwd=ROOT):
        raise SystemExit("There are changes that are not committed. A release is built from a commit.")
    for folder in (work, out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    env = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)}
    env |= {"SOURCE_DATE_EPOCH": run("git", "log", "-1", "--format=%ct", cwd=ROOT), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

    commit = work / "commit"
    with tarfile.open(
        fileobj=io.BytesIO(subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout)
    ) as archive:
        archive.extractall(commit, filter="data")
    build("sdist", commit, out, env)
    (sdist,) = out.iterdir()
    with tarfile.open(sdist) as archive:
        archive.extractall(work, filter="data")
    source = work / sdist.name.removesuffix(".tar.gz")

    build("wheel", source, out, env, "-Cnative=off")
    for target in TARGETS:
        arguments = f"--locked --zig --compatibility {MANYLINUX} --target {target}"
        build("wheel", source, out, env | for_cargo(source, work, target), "-Cnative=require", f"-Cmaturin.build-args={arguments}")
    run(sys.executable, source / "packaging" / "make_zipapp.py", out, env=env)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("".join(sums))
    print("".join(sums), end="")


def for_cargo(source: Path, work: Path, target: str) -> dict[str, str]:
    """Return environment variables for cargo and zig. With them, the files that they compile for ``target`` contain no paths of this machine."""
    sysroot = Path(run("rustc", "--print", "sysroot"))
    if not (sysroot / "lib" / "rustlib" / target).is_dir():
        raise SystemExit(f"Rust's standard library for {target} is missing: rustup target add {target}")
    commit = next(line for line in run("rustc", "-vV").splitlines() if line.startswith("commit-hash: ")).removeprefix("commit-hash: ")
    folders = {
        source: "/imdskit",
        work / "target": "/target",
        Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")): "/cargo",
        sysroot / "lib" / "rustlib" / "src" / "rust": f"/rustc/{commit}",
    }
    return {
        "CARGO_TARGET_DIR": str(work / "target"),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(f"--remap-path-prefix={folder}={name}" for folder, name in folders.items()),
        "CFLAGS": " ".join(f"-ffile-prefix-map={folder}={name}" for folder, name in folders.items()),
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
    }


def build(kind: str, source: Path, out: Path, env: dict[str, str], *options: str) -> None:
    """Run the build backend of ``source``, with the tools of this environment."""
    print(f"building {kind} {' '.join(options)}", flush=True)
    run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", *options, "--outdir", out, source, env=env)


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program and return its standard output. If it fails, exit with everything that it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), ROOT / "build" / "release")
