"""Choice of the backend, which is the Python or the Rust implementation of the checks.

The caller chooses the backend once. No environment variable affects the choice.

The names in this package are public. Its modules are internal.
"""

from __future__ import annotations

import warnings

from imdskit import arguments
from imdskit.backends import python, rust
from imdskit.backends.contract import Backend, Outcome, Setup
from imdskit.errors import BackendError, UsageError

NAMES = ("auto", "python", "rust")
"""Names by which :func:`get` finds a backend."""


def best() -> Backend:
    """Return the Rust backend if it can be used, and otherwise the Python backend.

    An absent extension causes no warning. If the extension is present but fails to load or implements another contract, the function issues
    a ``RuntimeWarning``.
    """
    try:
        return get("rust")
    except BackendError as error:
        if error.code != "backend-absent":
            warnings.warn(f"{error}; the Python backend is used. {error.hint}", RuntimeWarning, stacklevel=2)
        return python.BACKEND


def get(name: str) -> Backend:
    """Return the backend called ``name``: ``auto``, ``python`` or ``rust``.

    Raises:
        BackendError: the Rust extension cannot be used. Its codes are ``backend-absent``, ``backend-broken`` and ``backend-contract``.
        UsageError: no backend has this name.
    """
    if name == "auto":
        return best()
    if name == "python":
        return python.BACKEND
    if name == "rust":
        return rust.load()
    message = f"`backend` must be the name of a backend; got {arguments.shown(name)}."
    raise UsageError("bad-argument", message, location="backend", hint=f"Known: {', '.join(NAMES)}.")


def explain(setup: Setup, document: bytes, at: int, nonce: str | None) -> tuple[Outcome, ...]:
    """Run every check on a document and return all outcomes.

    This function always uses the Python backend, because that backend is the specification (decision 0004).

    Args:
        setup: settings, trusted certificates and names of the checker.
        document: the JSON of the service, bare base64, or DER.
        at: Unix seconds. The document is judged as of this time.
        nonce: the nonce that the document must contain, or None to accept any.

    Raises:
        TrustError: an anchor, intermediate or revocation list cannot be parsed.
    """
    return python.new_checker(setup).explain(document, at, nonce)


def without_kernels(backend: Backend) -> Backend:
    """Return the backend without its AVX-512 kernels, which are RSA code for processors with AVX-512. This is for measurements and tests.

    The whole process stops using the AVX-512 kernels, until :func:`with_kernels` is called.
    """
    return _kernels(backend, used=False)


def with_kernels(backend: Backend) -> Backend:
    """Return the backend with all kernels that the processor supports. Every backend starts in this state."""
    return _kernels(backend, used=True)


def _kernels(backend: Backend, *, used: bool) -> Backend:
    if backend.name != "rust":
        return backend
    return rust.use_kernels(used)


__all__ = ["Backend", "best", "get", "with_kernels", "without_kernels"]
