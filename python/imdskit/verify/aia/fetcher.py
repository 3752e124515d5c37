"""Fetcher of issuers: it follows the addresses that a certificate names."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection, Sequence
from functools import partial

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import DerError, FetchError
from imdskit.pki.signatures import signature
from imdskit.pki.x509 import parser
from imdskit.pki.x509.certificate import Certificate
from imdskit.verify.aia import allowed_addresses, locations
from imdskit.verify.aia.budget import PROCESS_BUDGET, FetchBudget
from imdskit.verify.aia.contract import Resolver, Response, Target, Transport
from imdskit.verify.aia.locations import LOCATIONS, Location
from imdskit.verify.aia.outcomes import Outcomes
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.log_entries import one_line

SECOND = 1_000_000_000
MAX_BYTES = 16 * 1024
"""Of an answer. Real ones have up to 1950."""
MAX_HOPS = 4
MAX_ADDRESSES = 4
"""Addresses that are considered of one certificate. Real ones have up to two."""
MAX_CONNECTIONS = 2
"""Of the addresses that a name resolves to, how many are tried if they cannot be reached."""
MIN_RSA_BITS = 2048

_log = logging.getLogger("imdskit.verify.aia")


class AiaFetcher:
    """Fetches issuers of certificates. Make one and keep it: it remembers. Safe to share between threads.

    A :class:`imdskit.verify.Verifier` calls it only after a document's signature has been checked, and only if an issuer is unknown. That
    document may still come from anybody, so everything is bounded: where to (``locations``; public addresses only, resolved once and
    then connected to as they are), what (one DER certificate that really signed the one below it), how much (16 KiB), how long
    (``seconds`` for all hops together), how often (each once in 24 hours, or in 5 minutes if it failed; ``budget``), how far (4 hops).

    Args:
        locations: where issuers may be fetched from.
        seconds: that one document may cost, 1 to 600.
        budget: shared by the whole process by default.
        cache: a directory in which issuers that led to an anchor are kept.
        allow_addresses: addresses that may be connected to although they are not public, such as ``127.0.0.1`` for an emulator or that of a
            mirror inside a company. The locations hold for them, too.
        resolver: names to addresses; the system's by default.
        transport: HTTP; a small one on sockets by default.
        clock: where "now" comes from.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(
        self,
        *,
        locations: Sequence[Location] = LOCATIONS,
        seconds: int = 10,
        budget: FetchBudget = PROCESS_BUDGET,
        cache: IntermediateCache | None = None,
        allow_addresses: Collection[str] = (),
        resolver: Resolver | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(locations, Sequence):
            raise arguments.mistake("locations", "a sequence of Location", locations)
        self._locations = arguments.items(tuple(locations), "locations", Location)
        self._span = arguments.whole(seconds, "seconds", 1, 600) * SECOND
        self._budget = arguments.instance(budget, "budget", FetchBudget)
        self._cache = None if cache is None else arguments.instance(cache, "cache", IntermediateCache)
        self._allow_addresses = _addresses(allow_addresses)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "monotonic_ns")
        if resolver is not None:
            arguments.methods(resolver, "resolver", "resolve")
        if transport is not None:
            arguments.methods(transport, "transport", "get")
        if resolver is None or transport is None:
            from imdskit.verify.aia.transport import HttpTransport, SystemResolver  # sockets: 12 ms, and no network without a fetcher

            resolver = resolver or SystemResolver()
            transport = transport or HttpTransport(self._clock)
        self._resolver = resolver
        self._transport = transport
        self._outcomes = Outcomes(self._clock)

    def known(self) -> tuple[bytes, ...]:
        """DER of what earlier processes left in the cache directory."""
        return self._cache.load() if self._cache else ()

    def keep(self, certificates: Sequence[bytes]) -> None:
        """Put certificates that stood on an accepted path into the cache directory, if there is one."""
        if self._cache:
            for der in certificates:
                self._cache.keep(der)

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        """DER of the certificates above ``certificate``, nearest first, up to one that an anchor issued or as far as there are any.

        Each has signed the one before it. Failures are written to the log ``imdskit.verify.aia`` and to nobody else: the answer is
        then shorter, or empty.
        """
        deadline = self._clock.monotonic_ns() + self._span
        found: list[bytes] = []
        try:
            child = parser.parse_certificate(certificate)
            trusted = [parser.parse_certificate(der) for der in anchors]
        except DerError as error:
            _log.warning("not a certificate: %s", one_line(error))
            return ()
        while len(found) < MAX_HOPS and not any(_names(anchor, child) for anchor in trusted):
            issuer = self._issuer(child, deadline)
            if issuer is None or issuer.der in found:
                break
            found.append(issuer.der)
            child = issuer
        return tuple(found)

    def _issuer(self, child: Certificate, deadline: int) -> Certificate | None:
        for address in child.ca_issuers[:MAX_ADDRESSES]:
            try:
                target = locations.target(address, self._locations)
                issuer = self._outcomes.get(address, partial(self._fetch, target, deadline), self._left(deadline))
                check_issuer(issuer, child)
            except FetchError as error:
                _log.warning("no issuer from %r: %s", address[:200], one_line(error))
            else:
                _log.info("issuer from %r", address)
                return issuer
        return None

    def _fetch(self, target: Target, deadline: int) -> Certificate:
        """One certificate from the network."""
        if not self._budget.take():
            raise FetchError("fetch-budget", "The process has fetched enough for now.", location=target.host)
        answer = self._ask(target, self._resolve(target.host, deadline), deadline)
        if 300 <= answer.status < 400:
            raise FetchError("redirected", f"Status {answer.status}; redirects are not followed.", location=target.path)
        if answer.status != 200:
            raise FetchError("unexpected-status", f"Status {answer.status}.", location=target.path)
        if len(answer.body) > MAX_BYTES:
            raise FetchError("too-large", f"More than {MAX_BYTES} octets.", location=target.path)
        try:
            return parser.parse_certificate(answer.body)
        except DerError as error:
            raise FetchError("not-a-certificate", f"Not the DER of one certificate: {error.message}", location=error.location) from None

    def _resolve(self, host: str, deadline: int) -> Sequence[str]:
        """The addresses of a host. One that is not public makes all of them suspicious."""
        try:
            found = self._resolver.resolve(host, self._left(deadline))
        except OSError as error:
            raise FetchError("unreachable", f"The name cannot be resolved: {error}.", location=host) from None
        for address in found:
            why = None if address in self._allow_addresses else allowed_addresses.refusal(address)
            if why is not None:
                raise FetchError("address-refused", f"{address[:60]} is not connected to: {why}.", location=host)
        return found

    def _ask(self, target: Target, found: Sequence[str], deadline: int) -> Response:
        reason = "no address"
        for address in found[:MAX_CONNECTIONS]:
            try:
                return self._transport.get(target, address, limit=MAX_BYTES, timeout_ns=self._left(deadline))
            except OSError as error:
                reason = str(error)
        raise FetchError("unreachable", f"No response: {reason}.", location=target.host)

    def _left(self, deadline: int) -> int:
        left = deadline - self._clock.monotonic_ns()
        if left <= 0:
            raise FetchError("timed-out", "The time for fetching issuers is over.")
        return left


def _addresses(given: object) -> frozenset[str]:
    """Raises UsageError for what is no collection of IP addresses as text."""
    if not isinstance(given, Collection) or isinstance(given, str | bytes):
        raise arguments.mistake("allow_addresses", "a collection of IP addresses", given)
    for address in given:
        try:
            ipaddress.ip_address(arguments.instance(address, "allow_addresses", str))
        except ValueError:
            raise arguments.mistake("allow_addresses", "a collection of IP addresses as text", address) from None
    return frozenset(given)


def check_issuer(issuer: Certificate, child: Certificate) -> None:
    """Whether ``issuer`` issued ``child``, by names, identifiers and signature; not whether it may, nor when: that is path validation.

    Raises:
        FetchError: ``wrong-issuer``.
    """
    if not _names(issuer, child):
        raise FetchError("wrong-issuer", "Name or key identifier is not that of the issuer.")
    if issuer.basic_constraints is None or not issuer.basic_constraints.ca:
        raise FetchError("wrong-issuer", "The certificate is not that of an authority.")
    weak = signature.key_fault(issuer.public_key, MIN_RSA_BITS)
    if weak is not None:
        raise FetchError("wrong-issuer", f"Its key is not accepted: {weak}.")
    fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
    if fault is not None:
        raise FetchError("wrong-issuer", f"It did not sign the certificate: {fault.value}.")


def _names(issuer: Certificate, child: Certificate) -> bool:
    """Whether ``child`` names ``issuer``, and its key where both identify one (RFC 5280 sections 4.1.2.4 and 4.2.1.1)."""
    if issuer.subject.key != child.issuer.key:
        return False
    wanted = child.authority_key_identifier.key_identifier if child.authority_key_identifier else None
    return wanted is None or issuer.subject_key_identifier is None or wanted == issuer.subject_key_identifier
