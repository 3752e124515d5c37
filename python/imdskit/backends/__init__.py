"""Choice of the backend. A backend is an implementation of the checks of a document; one is written
in Python and one in Rust.

The caller chooses the backend once. This package reads no environment variable.

The names in ``__all__`` are public. The modules of this package are internal.
"""

from __future__ import annotations

import warnings

from imdskit import arguments
from imdskit.backends import python, rust
from imdskit.backends.contract import Backend, Outcome, Setup
from imdskit.errors import BackendError, UsageError

NAMES = ("auto", "python", "rust")
"""Names that :func:`get` accepts."""


def best() -> Backend:
    """Return the Rust backend if it can be used. Otherwise, return the Python backend.

    The function issues a ``RuntimeWarning`` if the Rust extension is installed but fails to load,
    or was built for another release. If the extension is not installed, there is no warning.
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
        BackendError: the Rust extension cannot be used. The code of the error is
            ``backend-absent``, ``backend-broken`` or ``backend-contract``; see
            :func:`imdskit.backends.rust.load`.
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

    This function always uses the Python backend, because the Python backend is the specification
    (decision 0004).

    Args:
        setup: settings, trusted certificates and accepted signer names.
        document: the JSON response of the metadata service, only the base64 in it, or the DER that
            this base64 encodes.
        at: time as of which the document is verified, in Unix seconds.
        nonce: the nonce that the document must contain, or None to accept any.

    Raises:
        TrustError: an anchor, intermediate or revocation list cannot be parsed.
    """
    return python.new_checker(setup).explain(document, at, nonce)


def without_kernels(backend: Backend) -> Backend:
    """Return the backend without its AVX-512 kernels, for measurements and tests.

    The kernels are RSA code for processors with AVX-512. Only the Rust backend has them, and any
    other backend is returned unchanged. The call affects all checkers of the process, until
    :func:`with_kernels` is called.
    """
    return _kernels(backend, used=False)


def with_kernels(backend: Backend) -> Backend:
    """Return the backend with all kernels that the processor supports. This is the state of the
    backend before :func:`without_kernels` is called for the first time."""
    return _kernels(backend, used=True)


def _kernels(backend: Backend, *, used: bool) -> Backend:
    if backend.name != "rust":
        return backend
    return rust.use_kernels(used)


__all__ = ["Backend", "best", "get", "with_kernels", "without_kernels"]
