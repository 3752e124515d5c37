"""``/metadata/instance``: one machine's document, in the shape of every version, ready to be asked.

What belongs here: rendering once per version and handing nodes out. What the document says is in :mod:`imdskit.emulator.machine`, what a
version shows in :mod:`imdskit.protocol.shape`, and finding a node is the backend's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from imdskit import versions
from imdskit.backends.contract import Document, Form
from imdskit.emulator.machine import expansion
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.errors import ScenarioError, SelectionError
from imdskit.protocol import shape
from imdskit.protocol.attested import compact

Makes = Callable[[bytes], Document]


class Instance:
    """The instance document of one machine. Immutable but for its cache; safe to share between threads.

    Args:
        scenario: what machine it is.
        seed: of the values that the scenario does not give.
        document: of the backend: parses JSON and finds nodes in it.

    Raises:
        ScenarioError: the document is too large.
    """

    def __init__(self, scenario: Scenario, seed: int, document: Makes) -> None:
        self._whole = expansion.document(scenario, seed)
        self._compute = expansion.compute(scenario, seed)
        self._classic = scenario.classic
        self._document = document
        self._cache: dict[tuple[str, bool], Document] = {}
        self._lock = threading.Lock()
        try:
            self._at(scenario.api_versions[-1], extended=True)
        except SelectionError as error:
            raise ScenarioError("bad-scenario", f"The machine's document cannot be served. {error.message}") from None

    def render(self, version: str, *, extended: bool = False) -> bytes:
        """The whole document of ``version``: compact JSON, keys in alphabetical order, ``extended`` last."""
        shown = shape.at_version(self._whole, version)
        if extended:
            shown["extended"] = self._whole.get("extended", {})
        return compact(shown)

    def select(self, version: str, path: tuple[str, ...], form: Form, *, extended: bool = False) -> bytes:
        """The node at ``path``; keys in any letter case.

        Raises:
            SelectionError: ``not-found`` or ``leaf-needs-text``.
        """
        return self._at(version, extended).select(shape.spelled(path, version), form)

    @property
    def location(self) -> str:
        """Region of the machine."""
        return self._text("location")

    def attested_facts(self) -> Mapping[str, str]:
        """Values for :func:`imdskit.protocol.attested.content`. Of a classic machine only ``vmId`` and ``subscriptionId`` are known."""
        plan = shape.member(self._compute, "plan")
        facts = {path: str(plan.get(path.removeprefix("plan."), "")) for path in versions.ATTESTED if path.startswith("plan.")}
        known = ("vmId", "subscriptionId") if self._classic else ("licenseType", "sku", "subscriptionId", "vmId")
        return {**({} if self._classic else facts), **{name: self._text(name) for name in known}}

    def _at(self, version: str, extended: bool) -> Document:
        key = version, extended
        document = self._cache.get(key)
        if document is None:
            with self._lock:
                document = self._cache.setdefault(key, self._document(self.render(version, extended=extended)))
        return document

    def _text(self, name: str) -> str:
        value = self._compute.get(name, "")
        return value if isinstance(value, str) else ""
