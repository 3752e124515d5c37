"""Fetcher of issuer certificates. It takes their URLs from the certificates whose issuers are
unknown."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection, Sequence
from functools import partial

from imdskit import arguments
from imdskit.clock import SECOND, Clock, SystemClock
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

MAX_BYTES = 16 * 1024
"""Maximum size of a response in bytes. The certificates of Azure's authorities have at most 1950
bytes."""
MAX_HOPS = 4
"""Maximum number of certificates that one call of :meth:`AiaFetcher.issuers` fetches. Each of them
is the issuer of the previous one."""
MAX_ADDRESSES = 4
"""Maximum number of URLs that are tried for the issuer of one certificate. The certificates of
Azure contain at most two URLs."""
MAX_CONNECTIONS = 2
"""Maximum number of IP addresses of a host that are tried. The next one is tried only if the one
before it cannot be reached."""
MIN_RSA_BITS = 2048
"""Minimum size in bits of the RSA key of an issuer."""

_log = logging.getLogger("imdskit.verify.aia")


class AiaFetcher:
    """Fetcher of issuer certificates. It caches these certificates, so create one fetcher and keep
    it. A fetcher can be shared between threads.

    A :class:`imdskit.verify.Verifier` calls the fetcher only for a document whose signature is
    valid and whose chain contains an unknown issuer. Anybody can create such a document, so all
    fetches are limited:

    - The fetcher requests only URLs in ``locations``. It resolves the host name of a URL once for
      each request, and requires that each resulting IP address is public or in ``allow_addresses``.
    - A response must be one certificate in DER of at most 16 KiB. This certificate must have signed
      the certificate for which it was fetched.
    - All fetches for one document together take at most ``seconds`` seconds, and add at most four
      certificates.
    - A URL is requested at most once in 24 hours, or at most once in five minutes if the request
      failed.
    - The number of fetches per period is limited by ``budget``.

    Args:
        locations: the locations from which issuers may be fetched.
        seconds: time limit for all fetches for one document, 1 to 600 seconds.
        budget: limit of the number of fetches; by default one budget for the whole process.
        cache: cache directory in which the fetcher stores the fetched certificates of accepted
            paths. With None, they are not stored in a directory.
        allow_addresses: IP addresses that are permitted although they are not public, such as
            ``127.0.0.1`` for an emulator, or the address of a mirror inside a company. This does
            not permit any other URL than those in ``locations``.
        resolver: resolver of host names. By default, the resolver of the operating system is used.
        transport: HTTP client; a minimal one on sockets by default.
        clock: the source of the current time; the system clock by default.

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
            from imdskit.verify.aia.transport import HttpTransport, SystemResolver  # a late import, because it takes 12 ms

            resolver = resolver or SystemResolver()
            transport = transport or HttpTransport(self._clock)
        self._resolver = resolver
        self._transport = transport
        self._outcomes = Outcomes(self._clock)

    def known(self) -> tuple[bytes, ...]:
        """Return the certificates in the cache directory, as DER."""
        return self._cache.load() if self._cache else ()

    def keep(self, certificates: Sequence[bytes]) -> None:
        """Store certificates of an accepted path in the cache directory, if there is one."""
        if self._cache:
            for der in certificates:
                self._cache.keep(der)

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the certificates above ``certificate`` as DER, the direct issuer first.

        Each certificate has signed the one before it. The last one was issued by an anchor, unless
        its issuer could not be found or the result already has :data:`MAX_HOPS` certificates. If a
        fetch fails, the method does not raise an error. It logs the failure to
        ``imdskit.verify.aia``, and returns the certificates that it has found so far.
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
        """Download one certificate."""
        if not self._budget.take():
            raise FetchError("fetch-budget", "The limit on the number of fetches per period is reached.", location=target.host)
        response = self._request(target, self._resolve(target.host, deadline), deadline)
        if 300 <= response.status < 400:
            raise FetchError(
                "redirected", f"The server responded with status {response.status}. Redirects are not followed.", location=target.path
            )
        if response.status != 200:
            raise FetchError("unexpected-status", f"The server responded with status {response.status}.", location=target.path)
        if len(response.body) > MAX_BYTES:
            raise FetchError("too-large", f"The response has more than {MAX_BYTES} bytes.", location=target.path)
        try:
            return parser.parse_certificate(response.body)
        except DerError as error:
            raise FetchError(
                "not-a-certificate", f"The response is not one certificate in DER: {error.message}", location=error.location
            ) from None

    def _resolve(self, host: str, deadline: int) -> Sequence[str]:
        """Return the IP addresses of a host. Raise FetchError if one of them is not permitted,
        because an attacker may have changed the DNS record."""
        try:
            found = self._resolver.resolve(host, self._left(deadline))
        except OSError as error:
            raise FetchError("unreachable", f"The name cannot be resolved: {error}.", location=host) from None
        for address in found:
            why = None if address in self._allow_addresses else allowed_addresses.refusal(address)
            if why is not None:
                raise FetchError("address-refused", f"{address[:60]} is not a permitted address: {why}.", location=host)
        return found

    def _request(self, target: Target, found: Sequence[str], deadline: int) -> Response:
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
            raise FetchError("timed-out", "The time limit for fetching issuers was exceeded.")
        return left


def _addresses(given: object) -> frozenset[str]:
    """Return ``given`` if it is a collection of IP addresses as text, or raise UsageError."""
    if not isinstance(given, Collection) or isinstance(given, str | bytes):
        raise arguments.mistake("allow_addresses", "a collection of IP addresses", given)
    for address in given:
        try:
            ipaddress.ip_address(arguments.instance(address, "allow_addresses", str))
        except ValueError:
            raise arguments.mistake("allow_addresses", "a collection of IP addresses as text", address) from None
    return frozenset(given)


def check_issuer(issuer: Certificate, child: Certificate) -> None:
    """Raise FetchError unless names, key identifiers and signature show that ``issuer`` issued
    ``child``. Raise it also if ``issuer`` is not an authority, or if its key is too weak or too
    large.

    Later, path validation checks whether the issuer was allowed to issue ``child``, and whether
    both certificates are valid.

    Raises:
        FetchError: ``wrong-issuer``.
    """
    if not _names(issuer, child):
        raise FetchError("wrong-issuer", "The fetched certificate does not have the name and the key identifier of the issuer.")
    if issuer.basic_constraints is None or not issuer.basic_constraints.ca:
        raise FetchError("wrong-issuer", "The fetched certificate does not belong to an authority.")
    weak = signature.key_fault(issuer.public_key, MIN_RSA_BITS)
    if weak is not None:
        raise FetchError("wrong-issuer", f"The key of the fetched certificate is not accepted: {weak}.")
    fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
    if fault is not None:
        raise FetchError("wrong-issuer", f"The fetched certificate did not sign the certificate below it: {fault.value}.")


def _names(issuer: Certificate, child: Certificate) -> bool:
    """Return True if ``child`` names ``issuer`` as its issuer (RFC 5280 section 4.1.2.4).

    If ``issuer`` has a subject key identifier and ``child`` has an authority key identifier, the
    two must be equal as well (section 4.2.1.1).
    """
    if issuer.subject.key != child.issuer.key:
        return False
    wanted = child.authority_key_identifier.key_identifier if child.authority_key_identifier else None
    return wanted is None or issuer.subject_key_identifier is None or wanted == issuer.subject_key_identifier
