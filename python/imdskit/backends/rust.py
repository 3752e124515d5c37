"""The Rust backend. This module creates the :class:`~imdskit.backends.contract.Backend` from the
extension and has no other logic."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache

from imdskit import fork
from imdskit.backends.contract import CONTRACT, Backend
from imdskit.errors import BackendError

_HINT = "Build it with `make native`, or with `pip install . -C native=require` if cargo is installed."


@cache
def load() -> Backend:
    """Return the backend of the extension ``imdskit._native``.

    Raises:
        BackendError: ``backend-absent``: the extension is not installed; ``backend-broken``: it is
            installed, but does not load; ``backend-contract``: it was built for another version of
            :mod:`imdskit.backends.contract`.
    """
    try:
        # This form of the import statement distinguishes an absent extension from a broken one.
        # `from imdskit import _native` would raise the same error for both.
        import imdskit._native
    except ModuleNotFoundError as error:
        if error.name != "imdskit._native":
            raise BackendError("backend-broken", "The Rust extension does not load.", location=str(error), hint=_HINT) from error
        raise BackendError("backend-absent", "The Rust extension is not installed.", hint=_HINT) from None
    except ImportError as error:
        raise BackendError("backend-broken", "The Rust extension does not load.", location=str(error), hint=_HINT) from error
    native = imdskit._native
    contract = getattr(native, "CONTRACT", None)
    if contract != CONTRACT:
        message = f"The Rust extension implements contract {contract}, but this package needs contract {CONTRACT}."
        raise BackendError("backend-contract", message, hint=_HINT)
    fork.call_in_child(native.forked)
    return Backend("rust", native.Document, native.Bucket, native.Checker, native.PROFILE, native.cpu_path())


def use_kernels(used: bool) -> Backend:
    """Return the backend with or without its AVX-512 kernels. The kernels change its speed, but not
    its results.

    Raises:
        BackendError: as for :func:`load`.
    """
    backend = load()
    native = sys.modules["imdskit._native"]
    native.use_kernels(used)
    return replace(backend, cpu_path=native.cpu_path())
