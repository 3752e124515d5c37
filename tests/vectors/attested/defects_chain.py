"""Cases of the path from the signer to a root."""

from __future__ import annotations

from collections.abc import Iterator

import message as m
import pki
from case import Case, accept, reject
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

BASIC, USAGE, EXTENDED, NAMES, CONSTRAINTS, POLICY_CONSTRAINTS, KEY_IDENTIFIER = (
    "2.5.29.19",
    "2.5.29.15",
    "2.5.29.37",
    "2.5.29.17",
    "2.5.29.30",
    "2.5.29.36",
    "2.5.29.14",
)


def cases() -> Iterator[Case]:
    yield from _validity()
    yield from _issuers()
    yield from _signatures()
    yield from _leaf_extensions()
    yield from _authority()
    yield from _name_constraints()
    yield from _paths()


def _leaf(**changes: object) -> bytes:
    return m.signed_data(certificates=[pki.leaf(**changes)])


def _ca(id: str, comment: str, reason: str | None, see: str | None = None, stage: str | None = None, **changes: object) -> Case:
    """Return a case with another certificate of the issuing authority."""
    case = accept if reason is None and stage is None else reject
    more = {} if case is accept else {"reason": reason}
    return case(id, comment, m.signed_data(), intermediates=(pki.issuing(**changes),), see=see, stage=stage, **more)


def _validity() -> Iterator[Case]:
    at, day = pki.AT, pki.DAY
    yield accept("validity/first-second", "the signer is valid from this very second", _leaf(not_before=der.time(at)))
    yield accept(
        "validity/last-second", "the signer is valid until this very second (RFC 5280 4.1.2.5: inclusive)", _leaf(not_after=der.time(at))
    )
    yield reject(
        "validity/one-second-early", "the signer is valid from the next second", _leaf(not_before=der.time(at + 1)), "not-yet-valid"
    )
    yield reject("validity/one-second-late", "the signer was valid until the second before", _leaf(not_after=der.time(at - 1)), "expired")
    yield reject(
        "validity/expired-long-ago",
        "the signer expired a year ago",
        _leaf(not_before=der.time(at - 800 * day), not_after=der.time(at - 365 * day)),
        "expired",
    )
    yield reject(
        "validity/reversed",
        "the signer's validity ends before it begins",
        _leaf(not_before=der.time(at + day), not_after=der.time(at - day)),
        None,
        stage="chain",
    )
    yield accept("validity/generalized", "an end in 2050, as GeneralizedTime", _leaf(not_after=der.element(0x18, b"20500101000000Z")))
    yield accept(
        "validity/generalized-early",
        "an end in 2027, as GeneralizedTime (PKITS test 4.2.4)",
        _leaf(not_after=der.element(0x18, b"20270601000000Z")),
    )
    yield accept("validity/no-end", "no well-defined end (RFC 5280 4.1.2.5)", _leaf(not_after=der.element(0x18, b"99991231235959Z")))
    yield _ca("validity/authority-expired", "the authority expired", "expired", not_after=der.time(at - 1))
    yield _ca("validity/authority-early", "the authority is not valid yet", "not-yet-valid", not_before=der.time(at + 1))
    yield _ca("validity/authority-last-second", "the authority is valid until this very second", None, not_after=der.time(at))


def _issuers() -> Iterator[Case]:
    good = m.signed_data()
    yield reject("issuer/no-intermediate", "the authority is not at hand", good, "unknown-issuer", intermediates=(), see="taskcluster#8569")
    sent = m.signed_data(certificates=[pki.leaf(), pki.issuing()])
    yield accept("issuer/sent-along", "the authority comes with the document", sent, intermediates=())
    own = pki.leaf(issuer=pki.name("metadata.azure.com"), signer=pki.key("leaf"))
    info = {"sid": m.issuer_and_serial(pki.name("metadata.azure.com"))}
    yield reject("issuer/self-signed", "the signer signed itself", m.signed_data(certificates=[own], **info), None, stage="chain")
    foreign_root = pki.root(
        own=pki.key("foreign root"), signer=pki.key("foreign root"), extensions=pki.ca_extensions(pki.key("foreign root"), None)
    )
    foreign_ca = pki.issuing(
        own=pki.key("foreign"), signer=pki.key("foreign root"), extensions=pki.ca_extensions(pki.key("foreign"), pki.key("foreign root"))
    )
    foreign_leaf = pki.leaf(
        signer=pki.key("foreign"),
        extensions=pki.leaf_extensions(authority_key_identifier=x509.authority_key_identifier(x509.key_identifier(pki.key("foreign")))),
    )
    document = m.signed_data(certificates=[foreign_leaf, foreign_ca, foreign_root])
    yield reject("issuer/foreign-chain", "a whole foreign chain under the same names, root included", document, None, stage="chain")
    yield reject(
        "issuer/foreign-authority", "a foreign authority of the same name", m.signed_data(certificates=[foreign_leaf]), None, stage="chain"
    )
    document = m.signed_data(certificates=[foreign_leaf, pki.leaf()])
    yield reject(
        "issuer/genuine-leaf-added",
        "a foreign signer, and a genuine certificate for show",
        document,
        None,
        stage="chain",
        see="spiffe/spire#6998",
    )
    other = pki.leaf(issuer=pki.name("Vector Issuing CA 2"))
    yield reject(
        "issuer/other-name",
        "the issuer's name is another",
        m.signed_data(certificates=[other], sid=m.issuer_and_serial(pki.name("Vector Issuing CA 2"))),
        "unknown-issuer",
    )
    shouting = x509.name(("O", "IMDSKIT  TEST VECTORS"), ("CN", "vector issuing ca"))
    yield accept(
        "issuer/name-case",
        "the issuer's name in other letters (RFC 5280 7.1)",
        m.signed_data(certificates=[pki.leaf(issuer=shouting)], sid=m.issuer_and_serial(shouting)),
    )
    mixed = der.sequence(
        *(
            der.set_of(der.sequence(der.oid(o), der.utf8_string(v)))
            for o, v in (("2.5.4.10", "imdskit test vectors"), ("2.5.4.3", "Vector Issuing CA"))
        )
    )
    yield accept(
        "issuer/name-type",
        "the issuer's name in another string type (RFC 5280 7.1)",
        m.signed_data(certificates=[pki.leaf(issuer=mixed)], sid=m.issuer_and_serial(mixed)),
    )
    yield accept(
        "issuer/no-identifiers",
        "no key identifiers",
        _leaf(extensions=pki.leaf_extensions(subject_key_identifier=None, authority_key_identifier=None)),
    )
    wrong = x509.authority_key_identifier(b"\x5a" * 20)
    yield accept(
        "issuer/other-identifier",
        "an authority key identifier of nobody: only a hint (RFC 5280 4.2.1.1)",
        _leaf(extensions=pki.leaf_extensions(authority_key_identifier=wrong)),
    )


def _signatures() -> Iterator[Case]:
    yield reject(
        "chain-signature/other-key",
        "the signer's certificate was signed with another key",
        _leaf(signer=pki.key("foreign")),
        "certificate-signature",
    )
    good = pki.leaf()
    for name, location in (
        ("serial", good.index(bytes.fromhex("1234567890abcdef")) + 7),
        ("name", good.index(b"westeurope")),
        ("signature", len(good) - 1),
    ):
        changed = bytearray(good)
        changed[location] ^= 1
        sid = {"sid": m.issuer_and_serial(serial=der.integer(0x1234567890ABCDEE))} if name == "serial" else {}
        yield reject(
            f"chain-signature/{name}",
            f"one bit of the certificate's {name} is flipped",
            m.signed_data(certificates=[bytes(changed)], **sid),
            "certificate-signature",
        )
    for name, oid in (("sha1", pki.SHA1_RSA), ("md5", pki.MD5_RSA)):
        yield reject(
            f"chain-signature/{name}",
            f"the signer's certificate is signed with {name}",
            _leaf(algorithm=oid),
            "certificate-algorithm",
            see="CVE-2004-2761",
        )
        yield _ca(
            f"chain-signature/authority-{name}",
            f"the authority's certificate is signed with {name}",
            "certificate-algorithm",
            algorithm=oid,
        )
    for name, oid in (("sha256", pki.SHA256_RSA), ("sha512", pki.SHA512_RSA)):
        yield accept(f"chain-signature/{name}", f"the signer's certificate is signed with {name}", _leaf(algorithm=oid))
    yield reject("chain-signature/empty", "an empty signature", _leaf(signature=b""), "certificate-signature")
    yield reject("chain-signature/zeros", "a signature of zeros", _leaf(signature=b"\0" * 256), "certificate-signature")
    inner = x509.algorithm(pki.SHA256_RSA)
    yield reject(
        "chain-signature/algorithms-differ",
        "two algorithms in one certificate (RFC 5280 4.1.1.2)",
        _leaf(inner_algorithm=inner),
        None,
        see="RFC 5280 4.1.1.2",
    )
    weak = pki.key("weak", 1024)
    chain = [pki.leaf(signer=weak), pki.issuing(own=weak, extensions=pki.ca_extensions(weak, pki.key("root")))]
    yield reject(
        "chain-signature/weak-authority",
        "an authority of 1024 bits",
        m.signed_data(certificates=chain),
        None,
        intermediates=(),
        stage="chain",
    )


def _leaf_extensions() -> Iterator[Case]:
    def changed(**extensions: bytes | None) -> bytes:
        return _leaf(extensions=pki.leaf_extensions(**extensions))  # type: ignore[arg-type]  # names of extensions, not `names`

    def more(*extensions: bytes) -> bytes:
        return _leaf(extensions=[*pki.leaf_extensions(), *extensions])

    yield accept("leaf/unknown-extension", "an extension that is not known", more(x509.extension("1.2.3.4.5", der.null())))
    yield reject(
        "leaf/unknown-critical",
        "a critical extension that is not known",
        more(x509.extension("1.2.3.4.5", der.null(), critical=True)),
        "unknown-critical-extension",
    )
    yield reject(
        "leaf/no-server-auth",
        "for clients only",
        changed(extended_key_usage=x509.extended_key_usage(x509.CLIENT_AUTH)),
        "extended-key-usage",
    )
    yield reject(
        "leaf/code-signing", "for code only", changed(extended_key_usage=x509.extended_key_usage("1.3.6.1.5.5.7.3.3")), "extended-key-usage"
    )
    yield accept(
        "leaf/server-auth-only", "for servers only, as since 2026", changed(extended_key_usage=x509.extended_key_usage(x509.SERVER_AUTH))
    )
    yield accept("leaf/no-extended-key-usage", "no purposes named", changed(extended_key_usage=None))
    yield reject("leaf/empty-extended-key-usage", "an empty list of purposes", changed(extended_key_usage=x509.extended_key_usage()), None)
    yield accept("leaf/no-key-usage", "no key usage", changed(key_usage=None))
    yield reject(
        "leaf/key-usage-encipherment", "a key for encipherment only", changed(key_usage=x509.key_usage(x509.KEY_ENCIPHERMENT)), "key-usage"
    )
    yield reject("leaf/key-usage-none", "a key for nothing", changed(key_usage=x509.key_usage()), None)
    yield accept("leaf/no-basic-constraints", "no basic constraints", changed(basic_constraints=None))
    twice = x509.key_usage(x509.DIGITAL_SIGNATURE)
    yield reject("leaf/extension-twice", "key usage twice (RFC 5280 4.2)", more(twice), None)
    yield reject(
        "leaf/names-twice",
        "alternative names twice, the first evil",
        _leaf(extensions=[x509.subject_alternative_names("evil.example"), *pki.leaf_extensions()]),
        None,
    )
    for name, oid, value in (
        ("basic_constraints", BASIC, der.octet_string(b"x")),
        ("key_usage", USAGE, der.null()),
        ("extended_key_usage", EXTENDED, der.sequence(der.null())),
        ("subject_alternative_names", NAMES, der.null()),
        ("subject_key_identifier", KEY_IDENTIFIER, der.null()),
    ):
        extensions = pki.leaf_extensions(**{name: x509.extension(oid, value)})  # type: ignore[arg-type]  # none of them is `names`
        shown = name.replace("_", "-")
        yield reject(f"leaf/malformed-{shown}", f"{shown} is of the wrong type", _leaf(extensions=extensions), None)


def _authority() -> Iterator[Case]:
    own, issuer = pki.key("issuing"), pki.key("root")

    def extensions(**changed: bytes | None) -> list[bytes]:
        return pki.ca_extensions(own, issuer, **changed)  # type: ignore[arg-type]  # names of extensions, not `path_length`

    yield _ca(
        "authority/not-ca",
        "the authority is no authority",
        "not-a-ca",
        see="CVE-2002-0862",
        extensions=extensions(basic_constraints=x509.basic_constraints(False)),
    )
    yield _ca(
        "authority/no-basic-constraints",
        "an authority without basic constraints",
        "not-a-ca",
        extensions=extensions(basic_constraints=None),
    )
    yield _ca("authority/version-1", "an authority of version 1", "not-a-ca", version=None, extensions_field=b"")
    yield _ca(
        "authority/no-cert-sign",
        "an authority that may not sign certificates",
        "key-usage",
        extensions=extensions(key_usage=x509.key_usage(x509.DIGITAL_SIGNATURE, x509.CRL_SIGN)),
    )
    yield _ca(
        "authority/client-only",
        "an authority for clients only",
        "extended-key-usage",
        extensions=[*extensions(), x509.extended_key_usage(x509.CLIENT_AUTH)],
    )
    yield _ca(
        "authority/server-auth",
        "an authority for servers and clients, as genuine ones are",
        None,
        extensions=[*extensions(), x509.extended_key_usage(x509.SERVER_AUTH, x509.CLIENT_AUTH)],
    )
    yield _ca(
        "authority/unknown-critical",
        "a critical extension that is not known",
        "unknown-critical-extension",
        extensions=[*extensions(), x509.extension("1.2.3.4.5", der.null(), critical=True)],
    )
    require = x509.extension(POLICY_CONSTRAINTS, der.sequence(der.implicit(0, b"\0")), critical=True)
    yield _ca("authority/policy-required", "a policy is required and the signer has none", "policy", extensions=[*extensions(), require])
    yield _ca(
        "authority/not-critical",
        "basic constraints that are not critical",
        None,
        extensions=extensions(basic_constraints=x509.extension(BASIC, der.sequence(der.boolean(True)))),
    )


def _constraints(*, permitted: tuple[bytes, ...] = (), excluded: tuple[bytes, ...] = ()) -> bytes:
    members = []
    if permitted:
        members.append(der.explicit(0, *(der.sequence(base) for base in permitted)))
    if excluded:
        members.append(der.explicit(1, *(der.sequence(base) for base in excluded)))
    return x509.extension(CONSTRAINTS, der.sequence(*members), critical=True)


def _name_constraints() -> Iterator[Case]:
    def dns(name: str) -> bytes:
        return der.implicit(2, name.encode())

    def case(name: str, comment: str, reason: str | None, **constraints: tuple[bytes, ...]) -> Case:
        extensions = [*pki.ca_extensions(pki.key("issuing"), pki.key("root")), _constraints(**constraints)]
        return _ca(f"constraints/{name}", comment, reason, extensions=extensions)

    yield case("permitted", "names below metadata.azure.com are permitted", None, permitted=(dns("metadata.azure.com"),))
    yield case("permitted-case", "permitted in capitals (CVE-2026-33810)", None, permitted=(dns("METADATA.AZURE.COM"),))
    yield case("permitted-other", "only other names are permitted", "name-constraints", permitted=(dns("example.com"),))
    yield case(
        "permitted-deeper",
        "only names below westeurope are permitted",
        "name-constraints",
        permitted=(dns("westeurope.metadata.azure.com"),),
    )
    yield case("excluded", "names below azure.com are excluded", "name-constraints", excluded=(dns("azure.com"),))
    yield case("excluded-case", "excluded in capitals (CVE-2026-33810)", "name-constraints", excluded=(dns("AZURE.COM"),))
    yield case("excluded-other", "other names are excluded", None, excluded=(dns("example.com"),))
    yield case("excluded-part", "a label is no suffix of a label", None, excluded=(dns("data.azure.com"),))
    yield case("excluded-all", "every DNS name is excluded", "name-constraints", excluded=(dns(""),))
    yield case("ip-only", "only addresses are constrained", None, permitted=(der.implicit(7, bytes((10, 0, 0, 0, 255, 0, 0, 0))),))
    subject = x509.name(("O", "imdskit test vectors"))
    yield case("directory", "subjects of this organisation are permitted", None, permitted=(der.explicit(4, subject),))
    yield case(
        "directory-other",
        "only subjects of another organisation are permitted",
        "name-constraints",
        permitted=(der.explicit(4, x509.name(("O", "Other"))),),
    )


def _paths() -> Iterator[Case]:
    middle_key, middle = pki.key("middle"), pki.name("Vector Middle CA")
    middle_ca = pki.issuing(subject=middle, own=middle_key, extensions=pki.ca_extensions(middle_key, pki.key("root"), path_length=0))
    below = pki.issuing(issuer=middle, signer=middle_key, extensions=pki.ca_extensions(pki.key("issuing"), middle_key))
    yield reject(
        "path/length-0",
        "an authority under one that may have none under it",
        m.signed_data(),
        "path-length",
        intermediates=(below, middle_ca),
        see="CVE-2020-0601 family: unchecked chains",
    )
    free = pki.issuing(subject=middle, own=middle_key, extensions=pki.ca_extensions(middle_key, pki.key("root"), path_length=1))
    yield accept("path/length-1", "an authority under one that may have one under it", m.signed_data(), intermediates=(below, free))
    expired = pki.issuing(not_after=der.time(pki.AT - 1), serial=der.integer(5))
    yield accept("path/twins", "two certificates of the authority, one expired", m.signed_data(), intermediates=(expired, pki.issuing()))
    yield accept("path/twins-reversed", "the same, in the other order", m.signed_data(), intermediates=(pki.issuing(), expired))
    other = pki.issuing(own=pki.key("foreign"), serial=der.integer(6), extensions=pki.ca_extensions(pki.key("foreign"), pki.key("root")))
    yield accept("path/name-twin", "another authority of the same name", m.signed_data(), intermediates=(other, pki.issuing()))
    loop_a = pki.issuing(issuer=middle, signer=middle_key, extensions=pki.ca_extensions(pki.key("issuing"), middle_key))
    loop_b = pki.issuing(
        subject=middle,
        own=middle_key,
        issuer=pki.ISSUING,
        signer=pki.key("issuing"),
        extensions=pki.ca_extensions(middle_key, pki.key("issuing")),
    )
    yield reject(
        "path/loop", "two authorities that certify one another", m.signed_data(), None, stage="chain", intermediates=(loop_a, loop_b)
    )
    yield accept(
        "path/loop-and-way-out",
        "two authorities that certify one another, and a way out",
        m.signed_data(),
        intermediates=(loop_a, loop_b, pki.issuing()),
    )
    made = pki.certificate(
        subject=pki.name("made.example"),
        own=pki.key("made"),
        issuer=pki.name("metadata.azure.com"),
        signer=pki.key("leaf"),
        serial=der.integer(77),
        extensions=pki.leaf_extensions(subject_key_identifier=None, authority_key_identifier=None),
    )
    document = m.signed_data(
        certificates=[made, pki.leaf()], sid=m.issuer_and_serial(pki.name("metadata.azure.com"), der.integer(77)), key=pki.key("made")
    )
    yield reject("path/leaf-as-authority", "a certificate made with a genuine signer's key", document, "not-a-ca", see="CVE-2002-0862")
