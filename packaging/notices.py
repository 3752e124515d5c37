"""Notices in wheels: an SBOM (PEP 770), and the licences of everything that the extension links (PEP 639).

maturin writes the SBOM of a native wheel with cargo-cyclonedx. This module removes the paths of the build machine from the SBOM, adds the
libraries that are not crates, and collects the licence texts. The SBOM of a pure wheel lists only the package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CRATE = "imdskit-py"
LICENCES = "THIRD-PARTY-LICENSES.txt"
RUST_LICENCES = "rust-standard-library.html"
_LICENCE_FILE = re.compile(r"(un)?licen[cs]e|copying|notice", re.IGNORECASE)
_NOT_IN_CRATE = {"base64-simd": "Nugine-simd.txt", "vsimd": "Nugine-simd.txt"}
"""Maps each crate that is published without a licence text to the file in ``licenses/`` with the text."""
_RULE = "=" * 100


def add(wheel: Path, build_args: Sequence[str] | None) -> None:
    """Add SBOM and licences to a wheel.

    Args:
        wheel: wheel to rewrite. Its members keep their modification times.
        build_args: arguments of maturin, or None if the wheel is pure.
    """
    with zipfile.ZipFile(wheel) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    folder = next(info.filename for info, _ in members if info.filename.endswith(".dist-info/WHEEL")).removesuffix("WHEEL")
    version = folder.removesuffix(".dist-info/").partition("-")[2]
    files = {info.filename: content for info, content in members}
    if build_args is None:
        files[f"{folder}sboms/imdskit.cyclonedx.json"] = _json(_pure_sbom(version))
    else:
        sbom = f"{folder}sboms/{CRATE}.cyclonedx.json"
        licences = licence_texts(build_args)
        files[sbom] = _native_sbom(files[sbom], build_args)
        files |= {f"{folder}licenses/{name}": text.encode() for name, text in licences.items()}
        lines = "".join(f"License-File: {name}\n" for name in licences)
        files[f"{folder}METADATA"] = files[f"{folder}METADATA"].replace(
            b"License-File: LICENSE\n", b"License-File: LICENSE\n" + lines.encode()
        )
    _write(wheel, files, {info.filename: info for info, _ in members}, folder)


def _write(wheel: Path, files: dict[str, bytes], known: dict[str, zipfile.ZipInfo], folder: str) -> None:
    record = f"{folder}RECORD"
    del files[record]
    files[record] = "".join(
        [*(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()), f"{record},,\n"]
    ).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            like = known.get(name, known[f"{folder}WHEEL"])
            info = zipfile.ZipInfo(name, like.date_time)
            info.external_attr = (0o100755 if like.external_attr >> 16 & 0o100 else 0o100644) << 16  # independent of the umask
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _pure_sbom(version: str) -> dict[str, Any]:
    package = {
        "type": "library",
        "bom-ref": f"pkg:pypi/imdskit@{version}",
        "name": "imdskit",
        "version": version,
        "licenses": [{"expression": "Apache-2.0"}],
        "purl": f"pkg:pypi/imdskit@{version}",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": package},
        "components": [],
        "dependencies": [{"ref": package["bom-ref"]}],
    }


def _native_sbom(written: bytes, build_args: Sequence[str]) -> bytes:
    document = json.loads(written.replace(ROOT.resolve().as_uri().encode(), b"file:///imdskit"))
    linked = [("rust-std", _rustc("--version").split()[1], "MIT OR Apache-2.0")]
    if "--zig" in build_args:
        import ziglang

        version = subprocess.run(
            [Path(ziglang.__file__).with_name("zig"), "version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        linked += [("zig", version, "MIT"), ("llvm-libunwind", f"zig-{version}", "Apache-2.0 WITH LLVM-exception")]
    document["components"] += [
        {
            "type": "library",
            "bom-ref": f"pkg:generic/{name}@{version}",
            "name": name,
            "version": version,
            "scope": "required",
            "licenses": [{"expression": licence}],
            "purl": f"pkg:generic/{name}@{version}",
        }
        for name, version, licence in linked
    ]
    root = document["metadata"]["component"]["bom-ref"]
    for entry in document["dependencies"]:
        if entry["ref"] == root:
            entry["dependsOn"] += [f"pkg:generic/{name}@{version}" for name, version, _ in linked]
    return _json(document)


def licence_texts(build_args: Sequence[str]) -> dict[str, str]:
    """Return the files with the licences of everything that the extension links.

    Each text appears once, below the names of all crates that have it. The licences of the standard library are included only if Rust was
    installed with rustup, because other distributions of Rust do not contain the file with these licences.
    """
    target = build_args[build_args.index("--target") + 1] if "--target" in build_args else _rustc("--print", "host-tuple")
    parts = [(f"{one['name']} {one['version']} ({one['license']})", text) for one in linked_crates(target) for text in _texts_of(one)]
    if "--zig" in build_args:
        import ziglang

        zig = Path(ziglang.__file__).parent
        parts.append(("Runtime library of Zig", (zig / "LICENSE").read_text("utf-8")))
        parts.append(("LLVM libunwind", (zig / "lib" / "libunwind" / "LICENSE.TXT").read_text("utf-8")))
    owners: dict[str, dict[str, str]] = {}
    for name, text in parts:
        owners.setdefault(" ".join(text.split()), {})[name] = text
    texts = ["\n".join([_RULE, *names, _RULE, "", next(iter(names.values())).strip(), "\n"]) for names in owners.values()]
    files = {LICENCES: "Licences of the libraries that the extension module contains.\n\n" + "".join(texts)}
    standard_library = Path(_rustc("--print", "sysroot")) / "share" / "doc" / "rust" / "COPYRIGHT-library.html"
    if standard_library.is_file():
        files[RUST_LICENCES] = standard_library.read_text("utf-8")
    return files


def linked_crates(target: str) -> list[dict[str, Any]]:
    """Return the third-party packages that the extension links, as `cargo metadata` describes them."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: set[str] = set()
    waiting = [name for name, package in packages.items() if package["name"] == CRATE]
    while waiting:
        name = waiting.pop()
        if name in found or any("proc-macro" in part["kind"] for part in packages[name]["targets"]):
            continue
        found.add(name)
        waiting += [edge["pkg"] for edge in nodes[name]["deps"] if any(kind["kind"] is None for kind in edge["dep_kinds"])]
    others = [packages[name] for name in found if packages[name]["source"] is not None]
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def _texts_of(package: dict[str, Any]) -> list[str]:
    folder = Path(package["manifest_path"]).parent
    paths = sorted(
        path
        for path in folder.rglob("*")
        if _LICENCE_FILE.match(path.name) and path.suffix.lower() in ("", ".md", ".txt") and path.is_file()
    )
    if not paths and package["name"] in _NOT_IN_CRATE:
        paths = [ROOT / "packaging" / "licenses" / _NOT_IN_CRATE[package["name"]]]
    if not paths:
        raise SystemExit(f"imdskit: the crate {package['name']} has no licence text. Add it to packaging/licenses and to `_NOT_IN_CRATE`.")
    return [path.read_text("utf-8") for path in paths]


def _rustc(*arguments: str) -> str:
    return subprocess.run(["rustc", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
