"""Other programs that verify the same documents, each behind an adapter of the same shape: a function that raises for a bad document.

Before anything is timed, each adapter accepts a good document and refuses a broken one; one that does not is reported and left out. An adapter whose
packages are not installed says so. What an adapter leaves out is said in its docstring: a peer that does less has the easier race.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from subprocess import SubprocessError

import foreign
import libcrypto
from corpus import Chain

from imdskit.pki.signatures.rsa import DIGEST_INFO

Verify = Callable[[bytes], object]


def bare_aws_lc(chain: Chain) -> Verify:
    """awscrt: one RSA-2048 verification by AWS-LC, nothing else: the message is taken apart and digested before. The floor, with one call from Python."""
    from hashlib import sha256

    from awscrt.crypto import RSA, RSASignatureAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = RSA.new_public_key_from_der_data(chain.leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))

    known: dict[bytes, tuple[bytes, bytes]] = {}

    def verify(document: bytes) -> None:
        if document not in known:
            _, content, signature = parts(base64.b64decode(document))
            known[document] = sha256(content).digest(), signature
        if not key.verify(RSASignatureAlgorithm.PKCS1_5_SHA256, *known[document]):
            raise ValueError("bad signature")

    return verify


def bare_pow(chain: Chain, *, whole: bool = False) -> Verify:
    """CPython: one ``pow`` of a signature, nothing else: the message is taken apart and its block made before. The floor of the Python backend. ``whole``:
    those of leaf and intermediate besides, which is the floor where nothing is remembered."""
    leaf = chain.leaf.key.public_key().public_numbers()
    path = []
    if whole:
        for issuer, pair in ((chain.intermediate, chain.leaf), (chain.root, chain.intermediate)):
            certificate, numbers = pair.certificate, issuer.key.public_key().public_numbers()
            path.append(
                (_number(certificate.signature), numbers, _block(certificate.signature, "sha384", certificate.tbs_certificate_bytes))
            )
    known: dict[bytes, tuple[int, int]] = {}

    def verify(document: bytes) -> None:
        if document not in known:
            _, content, signature = parts(base64.b64decode(document))
            known[document] = _number(signature), _block(signature, "sha256", content)
        signature_number, expected = known[document]
        for number, key, block in ((signature_number, leaf, expected), *path):
            if pow(number, key.e, key.n) != block:
                raise ValueError("bad signature")

    return verify


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _block(signature: bytes, hash_name: str, message: bytes) -> int:
    """What a signature has to give (RFC 8017 section 9.2)."""
    info = DIGEST_INFO[hash_name] + hashlib.new(hash_name, message).digest()
    return _number(b"\x00\x01" + b"\xff" * (len(signature) - len(info) - 3) + b"\x00" + info)


def cryptography_cached(chain: Chain) -> Verify:
    """pyca/cryptography: the message taken apart by hand, the leaf compared with one whose chain is trusted, one RSA verification. No path is
    validated, no name and no time looked at, no claims read."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key, leaf, scheme, digest = chain.leaf.key.public_key(), chain.leaf.der, padding.PKCS1v15(), hashes.SHA256()

    def verify(document: bytes) -> None:
        certificate, content, signature = parts(base64.b64decode(document))
        if certificate != leaf:
            raise ValueError("another signer")
        key.verify(signature, content, scheme, digest)

    return verify


def cryptography_uncached(chain: Chain) -> Verify:
    """pyca/cryptography: the message taken apart by hand, then its X.509 verifier, with name and time."""
    from datetime import UTC, datetime

    from corpus import AT
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    store = x509.verification.Store([chain.root.certificate])
    builder = x509.verification.PolicyBuilder().store(store).time(datetime.fromtimestamp(AT, UTC).replace(tzinfo=None))
    verifier, pool = builder.build_server_verifier(x509.DNSName("metadata.azure.com")), [chain.intermediate.certificate]

    def verify(document: bytes) -> None:
        der, content, signature = parts(base64.b64decode(document))
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key().verify(signature, content, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg]
        verifier.verify(certificate, pool)

    return verify


def pyhanko(chain: Chain) -> Verify:
    """pyHanko: CMS and certification path, with its own validator; no name, no claims."""
    from datetime import UTC, datetime

    from asn1crypto import cms
    from asn1crypto import x509 as asn1_x509
    from corpus import AT
    from pyhanko.sign.validation.generic_cms import async_validate_cms_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator import ValidationContext

    root, intermediate = (asn1_x509.Certificate.load(pair.der) for pair in (chain.root, chain.intermediate))
    context = ValidationContext(
        trust_roots=[root],
        other_certs=[intermediate],
        moment=datetime.fromtimestamp(AT, UTC),
        allow_fetching=False,
        revocation_mode="soft-fail",
    )

    usage = KeyUsageConstraints(key_usage={"digital_signature"})

    def verify(document: bytes) -> None:
        data = cms.ContentInfo.load(base64.b64decode(document), strict=True)["content"]
        status = asyncio.run(async_validate_cms_signature(data, validation_context=context, key_usage_settings=usage))
        if not (status.intact and status.valid and status.trusted):
            raise ValueError(status.summary())

    return verify


def openssl_process(chain: Chain) -> Verify:
    """``openssl cms -verify``, a process for each document, as shell recipes do it: CMS and certification path; no name, no claims."""
    import shutil
    import ssl
    import subprocess
    import tempfile
    from pathlib import Path

    from corpus import AT

    program = shutil.which("openssl")
    if program is None:
        raise ImportError(name="the program openssl")
    folder = Path(tempfile.mkdtemp(prefix="imdskit-bench-"))
    # Both in one file: of `-certfile` OpenSSL 3.0 takes signers only.
    (folder / "authorities.pem").write_text("".join(ssl.DER_cert_to_PEM_cert(pair.der) for pair in (chain.root, chain.intermediate)))
    command = [program, "cms", "-verify", "-inform", "DER", "-purpose", "any", "-attime", str(AT), "-out", "/dev/null"]
    command += ["-CAfile", str(folder / "authorities.pem")]

    def verify(document: bytes) -> None:
        subprocess.run(command, input=base64.b64decode(document), check=True, capture_output=True)

    return verify


PEERS: dict[str, tuple[Callable[[Chain], Verify], tuple[str, ...]]] = {
    "bare RSA, AWS-LC (awscrt)": (bare_aws_lc, ("awscrt",)),
    "bare pow, CPython": (bare_pow, ()),
    "bare pow, CPython, of a whole path": (partial(bare_pow, whole=True), ()),
    "cryptography, chain cached": (cryptography_cached, ("cryptography",)),
    "cryptography, chain each time": (cryptography_uncached, ("cryptography",)),
    "openssl cms -verify, a process each": (openssl_process, ()),
    "CMS_verify of libcrypto": (libcrypto.cms_verify, ("psycopg2-binary",)),
    "pyHanko": (pyhanko, ("pyHanko", "pyhanko-certvalidator", "asn1crypto")),
    **{
        f"{language}, {words}": (partial(program, mode=mode), ())
        for language, program in foreign.LANGUAGES.items()
        for mode, words in (("cached", "chain cached"), ("uncached", "chain each time"))
    },
}
"""Name -> (adapter, packages whose versions are reported)."""


def ready(chain: Chain, good: bytes) -> tuple[dict[str, Verify], dict[str, str], dict[str, str]]:
    """Adapters that do their work, versions of what they stand on, and why others do not."""
    broken = bytearray(base64.b64decode(good))
    broken[-1] ^= 1
    bad = base64.b64encode(bytes(broken))
    found: dict[str, Verify] = {}
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, (adapter, packages) in PEERS.items():
        try:
            verify = adapter(chain)
        except ImportError as error:
            absent[name] = f"not installed: {error.name}"
            continue
        except (OSError, SubprocessError) as error:
            absent[name] = f"does not start: {error}"
            continue
        if not accepts(verify, good):
            absent[name] = "refuses a good document"
            continue
        if accepts(verify, bad):
            absent[name] = "accepts a document whose signature was changed"
            continue
        found[name] = verify
        versions.update({package: version(package) for package in packages})
        if name.endswith("libcrypto"):
            versions["libcrypto"] = libcrypto.version()
        if isinstance(verify, foreign.Program):
            versions[name.partition(",")[0]] = verify.version
    return found, versions, absent


def accepts(verify: Verify, document: bytes) -> bool:
    """Whether the adapter takes it."""
    try:
        verify(document)
    except Exception:  # noqa: BLE001  # whatever they please
        return False
    return True


def parts(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Leaf, content and signature of a message as :mod:`corpus` makes it: what a quick hand writes, without any of the checks that make a parser safe."""
    _, wrapped = _children(der, 0)
    _, _, encapsulated, certificates, signers = _children(der, _first(der, wrapped))
    _, explicit = _children(der, encapsulated)
    _, _, _, _, signature = _children(der, _first(der, signers))
    certificate = _first(der, certificates)
    return der[certificate : _contents(der, certificate)[1]], _octets(der, _first(der, explicit)), _octets(der, signature)


def _contents(der: bytes, place: int) -> tuple[int, int]:
    """Where the contents of the element at ``place`` begin and end."""
    length, start = der[place + 1], place + 2
    if length >= 0x80:
        octets = length - 0x80
        length, start = int.from_bytes(der[start : start + octets], "big"), start + octets
    return start, start + length


def _octets(der: bytes, place: int) -> bytes:
    start, stop = _contents(der, place)
    return der[start:stop]


def _first(der: bytes, place: int) -> int:
    """The place of the first element inside."""
    return _contents(der, place)[0]


def _children(der: bytes, place: int) -> list[int]:
    """The places of the elements inside."""
    place, stop = _contents(der, place)
    found = []
    while place < stop:
        found.append(place)
        place = _contents(der, place)[1]
    return found
