"""Helpers of the AIA tests: a chain whose issuer must be fetched, and a simulated network that serves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import certificates
import pytest
from certificates import CA, DAY, END_ENTITY, SERVER, Made, dns_names, identifiers, issuers_at

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.errors import VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import AiaFetcher, FetchBudget, Response, Target

AT = 1_790_000_000
SECOND = 1_000_000_000
LOCATION = "http://www.microsoft.com/pkiops/certs/"
PUBLIC = "23.1.2.3"


def key(name: str) -> certificates.PrivateKey:
    return certificates.key(name, 1024 if name == "weak" else 2048)


def make(
    name: str,
    issuer: Made | None = None,
    *,
    key_of: str | None = None,
    addresses: Sequence[str] = (),
    ca: bool = True,
    with_identifiers: bool = True,
    signed_by: certificates.PrivateKey | None = None,
) -> Made:
    own = key(key_of or name)
    extensions = [
        CA if ca else END_ENTITY,
        *(identifiers(own, issuer.key if issuer else own) if with_identifiers else ()),
        *issuers_at(*addresses),
        *(() if ca else (dns_names("metadata.azure.com"), SERVER)),
    ]
    return certificates.make(name, issuer, extensions, valid=(AT - 30 * DAY, AT + 30 * DAY), own=own, signer=signed_by)


def document(leaf: Made, nonce: str = "4071882193") -> bytes:
    return certificates.document(leaf, at=AT, nonce=nonce)


class Network:
    """Resolver and transport of the tests. It serves given names and files, and records the requests.

    Attributes:
        files: by address: a body, a complete response, an error, or a function.
        names: by host: its addresses, or an error; by default a public address.
    """

    def __init__(self, files: dict[str, bytes | Response | Exception | Callable[[], bytes]] | None = None) -> None:
        self.files = files or {}
        self.names: dict[str, Sequence[str] | Exception] = {}
        self.resolved: list[str] = []
        self.requests: list[tuple[str, str]] = []

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        assert timeout_ns > 0
        self.resolved.append(host)
        found = self.names.get(host, [PUBLIC])
        if isinstance(found, Exception):
            raise found
        return found

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:
        assert limit == 16 * 1024
        assert 0 < timeout_ns <= 10 * SECOND
        url = f"http://{target.host}{target.path}"
        self.requests.append((url, address))
        found = self.files.get(url, Response(404, b""))
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Response):
            return found
        return Response(200, found if isinstance(found, bytes) else found())

    @property
    def urls(self) -> list[str]:
        return [url for url, _ in self.requests]


class Scene:
    """Trusted root, an unknown authority below it, and a leaf whose certificate names the address of the authority."""

    def __init__(self) -> None:
        self.root = make("Root")
        self.issuer = make("Issuing CA", self.root, addresses=[LOCATION + "root.crt"])
        self.leaf = make("metadata.azure.com", self.issuer, ca=False, addresses=[LOCATION + "issuing.crt"])
        self.clock = ManualClock(AT)
        self.network = Network({LOCATION + "issuing.crt": self.issuer.der, LOCATION + "root.crt": self.root.der})

    def fetcher(self, **options: object) -> AiaFetcher:
        settings: dict[str, object] = {"budget": FetchBudget(clock=self.clock), **options}
        return AiaFetcher(resolver=self.network, transport=self.network, clock=self.clock, **settings)  # type: ignore[arg-type]  # by name

    def verifier(self, backend: Backend, aia: AiaFetcher | None, policy: Policy | None = None) -> Verifier:
        return Verifier(Trust((self.root.der,)), policy or Policy.offline_audit(), backend=backend, clock=self.clock, aia=aia)


def reason(verifier: Verifier, document: bytes) -> Reason:
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document)
    return refusal.value.reason
