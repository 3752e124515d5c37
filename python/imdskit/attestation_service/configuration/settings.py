"""Settings of the service, from a TOML file, environment variables and the command line.

Environment variables override the file, and the command line overrides both. The name of a setting
is its key in the file. The name of its environment variable is ``IMDSKIT_VERIFIER_``, followed by
the name of the setting in upper case.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from imdskit import backends
from imdskit.attestation_service.configuration.setting_types import Source, cloud_names, file, files, integer, one_of, store, text_or_none
from imdskit.errors import UsageError

PREFIX = "IMDSKIT_VERIFIER_"

CONFIG = PREFIX + "CONFIG"
"""Environment variable with the path of the configuration file."""

MAX_FILE_BYTES = 1024 * 1024
"""Maximum size of the configuration file in bytes."""

_KUBERNETES = re.compile(rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)", re.ASCII)
"""Environment variables that Kubernetes sets if there is a service called ``imdskit-verifier``.
They are ignored, because they are not settings."""


def _about(read: Any, description: str) -> dict[str, Any]:
    return {"read": read, "description": description}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the attestation service. :meth:`read` validates the values."""

    keys_file: Path = field(metadata=_about(file, "File of the keys that callers present. Required."))
    nonce_key_file: Path | None = field(
        default=None,
        metadata=_about(
            file,
            "File with the secret that generates nonces. Without it, each process generates a separate secret, so only one process can serve.",
        ),
    )
    store: str = field(
        repr=False,  # The URL can contain a password.
        default="memory",
        metadata=_about(store, "Where used documents are recorded: `memory`, `sqlite:PATH`, or a `redis://` or `valkey://` URL."),
    )
    store_timeout: int = field(default=2, metadata=_about(integer(1, 60), "Maximum time in seconds to wait for the store."))
    trust_bundle: Path | None = field(
        default=None, metadata=_about(file, "Folder of a trust bundle. By default, the roots that are bundled with imdskit are trusted.")
    )
    trust_anchors: tuple[Path, ...] = field(
        default=(), metadata=_about(files, "PEM files of root certificates. Only these roots are trusted, instead of those of a bundle.")
    )
    trust_intermediates: tuple[Path, ...] = field(default=(), metadata=_about(files, "PEM files of additional intermediates."))
    clouds: tuple[str, ...] = field(default=("public",), metadata=_about(cloud_names, "Azure clouds whose documents are accepted."))
    max_age: int = field(default=300, metadata=_about(integer(10, 21_600), "Maximum age of a document in seconds."))
    nonce_lifetime: int = field(
        default=300,
        metadata=_about(integer(10, 21_600), "Maximum time in seconds between the issue of a nonce and its use. At most `max_age`."),
    )
    max_body_bytes: int = field(
        default=98_304,
        metadata=_about(integer(1024, 16_777_216), "Maximum size of a request body in bytes, except in requests for verdicts."),
    )
    max_verdict_documents: int = field(
        default=100, metadata=_about(integer(1, 10_000), "Maximum number of documents in one request for verdicts.")
    )
    max_verdict_body_bytes: int = field(
        default=4_194_304, metadata=_about(integer(1024, 67_108_864), "Maximum size of the body of a request for verdicts, in bytes.")
    )
    max_concurrent: int = field(
        default=32, metadata=_about(integer(1, 10_000), "Maximum number of requests that one process handles at the same time.")
    )
    rate_per_second: int = field(
        default=100, metadata=_about(integer(1, 1_000_000), "Maximum number of requests per second for each key, in one process.")
    )
    rate_burst: int = field(
        default=200, metadata=_about(integer(1, 1_000_000), "Number of requests that a key can make at once before the rate limit applies.")
    )
    audit_log: str = field(default="-", metadata=_about(text_or_none, "File to which decisions are appended. `-` is standard error."))
    reload_seconds: int = field(
        default=10,
        metadata=_about(integer(1, 3600), "Minimum time in seconds between two checks of the trust files and key files for changes."),
    )
    backend: str = field(
        default="auto", metadata=_about(one_of(*backends.NAMES), "Implementation that verifies documents: `auto`, `python` or `rust`.")
    )

    def __post_init__(self) -> None:
        if self.nonce_lifetime > self.max_age:
            # A machine requests its document as soon as it has received the nonce, and the service
            # refuses documents that are older than `max_age`. A nonce that is valid for longer is
            # of no use, so a larger `nonce_lifetime` is probably a mistake.
            raise _invalid("nonce_lifetime", f"must be at most `max_age` ({self.max_age}); got {self.nonce_lifetime}")
        if self.trust_bundle is not None and self.trust_anchors:
            raise _invalid("trust_anchors", "must not be set together with `trust_bundle`")
        if self.store == "memory" and self.nonce_key_file is not None:
            # The file keeps the nonces valid after a restart, but the record of used documents
            # would be lost. The service could then accept a used document again.
            raise _invalid("nonce_key_file", "needs a store that survives a restart; `store` is `memory`")

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Settings:
        """Return the settings from a file, the environment and the command line.

        Args:
            path: path of the TOML file; by default the value of ``IMDSKIT_VERIFIER_CONFIG``, if it
                is set.
            environment: environment variables; by default those of the process.
            overrides: values from the command line as text, by the name of the setting.

        Raises:
            UsageError: A setting is unknown, has an invalid value, or is required but missing. The
                message names the setting.
        """
        environment = os.environ if environment is None else environment
        variables = {
            name.removeprefix(PREFIX).lower(): Source(text, name)
            for name, text in environment.items()
            if name.startswith(PREFIX) and name != CONFIG and not _KUBERNETES.fullmatch(name)
        }
        options = {name: Source(text, f"--set {name}") for name, text in (overrides or {}).items()}
        path = path or environment.get(CONFIG) or None
        found = {**(_file(Path(path)) if path is not None else {}), **variables, **options}
        readers = {each.name: each.metadata["read"] for each in fields(cls)}
        for name, source in found.items():
            if name not in readers:
                hint = f"Settings: {', '.join(readers)}."
                raise UsageError("bad-argument", f"Unknown setting `{name[:60]}`.", location=source.location, hint=hint)
        if "keys_file" not in found:
            raise _invalid("keys_file", f"is required: set it in the configuration file, or set the environment variable {PREFIX}KEYS_FILE")
        return cls(**{name: readers[name](name, source) for name, source in found.items()})


def _file(path: Path) -> dict[str, Source]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        members = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise UsageError("bad-argument", f"The configuration cannot be read: {error.strerror}.", location=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError("bad-argument", f"The configuration is not TOML: {error}.", location=str(path)) from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageError("bad-argument", f"The configuration is larger than {MAX_FILE_BYTES} bytes.", location=str(path))
    folder = path.absolute().parent
    return {name: Source(value, f"{path}: {name}", folder) for name, value in members.items()}


def _invalid(name: str, problem: str) -> UsageError:
    return UsageError(
        "bad-argument", f"`{name}` {problem}.", location=name, hint="docs/attestation-service-reference.md lists all settings."
    )
