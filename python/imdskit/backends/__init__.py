"""Choosing a backend. It is chosen once, by the caller, and never by an environment variable.

Public are the names of this package. Its modules are internal.
"""

from __future__ import annotations

import warnings

from imdskit import arguments
from imdskit.backends import python, rust
from imdskit.backends.contract import Backend, Outcome, Setup
from imdskit.errors import BackendError, UsageError


def best() -> Backend:
    """The Rust backend where it can be had, else the Python one.

    Silent where the extension is absent; warns (``RuntimeWarning``) where it is present and does not load, or keeps another contract.
    """
    try:
        return get("rust")
    except BackendError as error:
        if error.code != "backend-absent":
            warnings.warn(f"{error}; the Python backend is used. {error.hint}", RuntimeWarning, stacklevel=2)
        return python.BACKEND


def get(name: str) -> Backend:
    """The backend called ``name``: ``auto``, ``python`` or ``rust``.

    Raises:
        BackendError: the Rust extension cannot be used; codes ``backend-absent``, ``backend-broken``, ``backend-contract``.
        UsageError: there is no backend of that name.
    """
    if name == "auto":
        return best()
    if name == "python":
        return python.BACKEND
    if name == "rust":
        return rust.load()
    message = f"`backend` must be the name of a backend; got {arguments.shown(name)}."
    raise UsageError("bad-argument", message, location="backend", hint="Known: auto, python, rust.")


def explain(setup: Setup, document: bytes, at: int, nonce: str | None) -> tuple[Outcome, ...]:
    """Run every check on a document and return the outcome of each.

    The Python backend always does this, because it is the specification (decision 0004).

    Args:
        setup: what a checker must know.
        document: the service's JSON, bare base64, or DER.
        at: Unix seconds at which validity is judged.
        nonce: that the document must carry, or None to accept any.

    Raises:
        TrustError: an anchor, intermediate or revocation list cannot be parsed.
    """
    return python.new_checker(setup).explain(document, at, nonce)


def without_kernels(backend: Backend) -> Backend:
    """The same backend on a processor without AVX-512, for measurements and tests: in all of the process, until :func:`with_kernels` is called."""
    return _kernels(backend, used=False)


def with_kernels(backend: Backend) -> Backend:
    """The same backend with whatever the processor has, which is what every backend begins with."""
    return _kernels(backend, used=True)


def _kernels(backend: Backend, *, used: bool) -> Backend:
    if backend.name != "rust":
        return backend
    return rust.use_kernels(used)


__all__ = ["Backend", "best", "get", "with_kernels", "without_kernels"]
