"""Choice of the backend: "rust" is the extension, and errors distinguish an absent extension from a broken one.

Other test modules compare both backends, and prove that the comparison detects a wrong backend.
"""

from __future__ import annotations

import sys
import types

import pytest

from imdskit import backends
from imdskit.backends import rust
from imdskit.backends.contract import CONTRACT, Backend, Setup
from imdskit.errors import BackendError, TrustError, UsageError


@pytest.fixture
def fresh_loader() -> object:
    rust.load.cache_clear()
    yield None
    rust.load.cache_clear()


def test_backend_has_its_own_name_and_implementation(backend: Backend) -> None:
    made = (backend.document(b"{}"), backend.bucket(1, 1, 1), backend.checker(Setup((), (), ())))
    modules = {type(thing).__module__ for thing in made}
    if backend.name == "rust":
        assert modules == {"imdskit._native"}
    else:
        assert all(module.startswith("imdskit.backends.python.") for module in modules)


def test_absent_extension_causes_no_warning(monkeypatch: pytest.MonkeyPatch, fresh_loader: object) -> None:
    monkeypatch.setitem(sys.modules, "imdskit._native", None)
    with pytest.raises(BackendError) as refusal:
        backends.get("rust")
    assert refusal.value.code == "backend-absent"
    assert backends.best().name == "python"


@pytest.mark.parametrize("members", [{"CONTRACT": CONTRACT + 1}, {}], ids=["newer", "none"])
def test_rejects_an_extension_of_another_contract(members: dict[str, int], monkeypatch: pytest.MonkeyPatch, fresh_loader: object) -> None:
    other = types.ModuleType("imdskit._native")
    vars(other).update(members)
    monkeypatch.setitem(sys.modules, "imdskit._native", other)
    monkeypatch.setattr("imdskit._native", other, raising=False)
    with pytest.warns(RuntimeWarning, match="backend-contract"):
        assert backends.best().name == "python"


@pytest.mark.parametrize(
    "error",
    [ImportError("undefined symbol: Py_Nothing"), ModuleNotFoundError("No module named 'nothing'", name="nothing")],
    ids=["does-not-load", "needs-what-is-absent"],
)
def test_broken_extension_is_not_reported_as_absent(error: ImportError, monkeypatch: pytest.MonkeyPatch, fresh_loader: object) -> None:
    class Breaking:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "imdskit._native":
                raise error

    monkeypatch.delitem(sys.modules, "imdskit._native", raising=False)
    monkeypatch.delattr("imdskit._native", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Breaking(), *sys.meta_path])
    with pytest.raises(BackendError) as refusal:
        backends.get("rust")
    assert refusal.value.code == "backend-broken"
    with pytest.warns(RuntimeWarning, match="backend-broken"):
        assert backends.best().name == "python"


def test_python_backend_is_the_same_without_kernels() -> None:
    python = backends.get("python")
    assert backends.with_kernels(backends.without_kernels(python)) is python


def test_unknown_backend_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        backends.get("fortran")


def test_rejects_an_invalid_setup_immediately(backend: Backend) -> None:
    with pytest.raises(TrustError) as refusal:
        backend.checker(Setup(anchors=(b"\x30\x00",), intermediates=(), names=()))
    assert refusal.value.location.startswith("anchors[0]")
