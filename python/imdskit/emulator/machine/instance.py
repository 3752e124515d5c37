"""``/metadata/instance``: the instance document of one machine, in the shape of each api-version.

This module renders the document once per api-version and returns nodes of it.
:mod:`imdskit.emulator.machine.expansion` creates the content,
:mod:`imdskit.protocol.instance_shape` decides which members an api-version shows, and the backend
finds a node in the JSON.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from imdskit import versions
from imdskit.backends.contract import Document, Form
from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.errors import ScenarioError, SelectionError
from imdskit.protocol import instance_shape
from imdskit.protocol.json_writer import compact

Parse = Callable[[bytes], Document]


class Instance:
    """The instance document of one machine.

    It is immutable apart from its cache, and safe to share between threads.

    Args:
        machine: the machine.
        document: the backend's JSON parser. The object that it returns looks up nodes.

    Raises:
        ScenarioError: the document is too large.
    """

    def __init__(self, machine: ExpandedMachine, document: Parse) -> None:
        self._machine = machine
        self._document = document
        self._cache: dict[tuple[str, bool], Document] = {}
        self._lock = threading.Lock()
        self._newer = machine.scenario.newer
        self._names = {name.lower(): name for name in instance_shape.unknown_names(machine.document)} if self._newer else {}
        try:
            self._at(machine.scenario.api_versions[-1], extended=True)
        except SelectionError as error:
            raise ScenarioError("bad-scenario", f"The emulator cannot serve the instance document. {error.message}") from None

    def render(self, version: str, *, extended: bool = False) -> bytes:
        """Return the whole document of an api-version as compact JSON with keys in alphabetical
        order, and ``extended`` last."""
        shown = instance_shape.at_version(self._machine.document, version, self._newer)
        if extended:
            shown["extended"] = self._machine.document.get("extended", {})
        return compact(shown)

    def select(self, version: str, path: tuple[str, ...], form: Form, *, extended: bool = False) -> bytes:
        """Return the node of the document at ``path``. Letter case of keys is ignored.

        Raises:
            SelectionError: ``not-found`` if there is no such node, or ``leaf-needs-text`` if it is
                a leaf and ``form`` is not text.
        """
        return self._at(version, extended).select(instance_shape.spelled(path, version, self._names), form)

    def attested_facts(self) -> Mapping[str, str]:
        """Return the values for :func:`imdskit.protocol.attested.content`.

        For a classic machine, these are only ``vmId`` and ``subscriptionId``.
        """
        plan = instance_shape.member(self._machine.compute, "plan")
        facts = {path: str(plan.get(path.removeprefix("plan."), "")) for path in versions.ATTESTED if path.startswith("plan.")}
        if self._machine.scenario.classic:
            return {name: self._machine.text(name) for name in ("vmId", "subscriptionId")}
        return {**facts, **{name: self._machine.text(name) for name in ("licenseType", "sku", "subscriptionId", "vmId")}}

    def _at(self, version: str, extended: bool) -> Document:
        key = version, extended
        document = self._cache.get(key)
        if document is None:
            with self._lock:
                document = self._cache.setdefault(key, self._document(self.render(version, extended=extended)))
        return document
