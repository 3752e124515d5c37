"""Cases for the path from the signer to a root."""

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
    """Return a case in which the certificate of the issuing authority is changed."""
    case = accept if reason is None and stage is None else reject
    more = {} if case is accept else {"reason": reason}
    return case(id, comment, m.signed_data(), intermediates=(pki.issuing(**changes),), see=see, stage=stage, **more)


def _validity() -> Iterator[Case]:
    at, day = pki.AT, pki.DAY
    yield accept("validity/first-second", "the signer's validity starts in the second of the check", _leaf(not_before=der.time(at)))
    yield accept(
        "validity/last-second",
        "the signer's validity ends in the second of the check, inclusive (RFC 5280 4.1.2.5)",
        _leaf(not_after=der.time(at)),
    )
    yield reject(
        "validity/one-second-early",
        "the signer's validity starts one second after the check",
        _leaf(not_before=der.time(at + 1)),
        "not-yet-valid",
    )
    yield reject(
        "validity/one-second-late", "the signer's validity ended one second before the check", _leaf(not_after=der.time(at - 1)), "expired"
    )
    yield reject(
        "validity/expired-long-ago",
        "the signer expired a year before the check",
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
    yield accept("validity/generalized", "notAfter in 2050, as GeneralizedTime", _leaf(not_after=der.element(0x18, b"20500101000000Z")))
    yield accept(
        "validity/generalized-early",
        "notAfter in 2027, as GeneralizedTime (PKITS test 4.2.4)",
        _leaf(not_after=der.element(0x18, b"20270601000000Z")),
    )
    yield accept(
        "validity/no-end",
        "notAfter is 99991231235959Z, so the certificate has no expiration date (RFC 5280 4.1.2.5)",
        _leaf(not_after=der.element(0x18, b"99991231235959Z")),
    )
    yield _ca("validity/authority-expired", "the issuing authority has expired", "expired", not_after=der.time(at - 1))
    yield _ca("validity/authority-early", "the issuing authority is not valid yet", "not-yet-valid", not_before=der.time(at + 1))
    yield _ca(
        "validity/authority-last-second",
        "the issuing authority's validity ends in the second of the check, inclusive",
        None,
        not_after=der.time(at),
    )


def _issuers() -> Iterator[Case]:
    good = m.signed_data()
    yield reject(
        "issuer/no-intermediate",
        "the verifier does not have the issuing authority's certificate",
        good,
        "unknown-issuer",
        intermediates=(),
        see="taskcluster#8569",
    )
    sent = m.signed_data(certificates=[pki.leaf(), pki.issuing()])
    yield accept("issuer/sent-along", "the message contains the issuing authority's certificate", sent, intermediates=())
    own = pki.leaf(issuer=pki.name("metadata.azure.com"), signer=pki.key("leaf"))
    info = {"sid": m.issuer_and_serial(pki.name("metadata.azure.com"))}
    yield reject(
        "issuer/self-signed", "the signer's certificate is self-signed", m.signed_data(certificates=[own], **info), None, stage="chain"
    )
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
    yield reject("issuer/foreign-chain", "a complete chain of another root, in which all names are the same", document, None, stage="chain")
    yield reject(
        "issuer/foreign-authority",
        "another authority with the same name issued the signer's certificate",
        m.signed_data(certificates=[foreign_leaf]),
        None,
        stage="chain",
    )
    document = m.signed_data(certificates=[foreign_leaf, pki.leaf()])
    yield reject(
        "issuer/genuine-leaf-added",
        "another authority issued the signer's certificate, and the genuine certificate is added",
        document,
        None,
        stage="chain",
        see="spiffe/spire#6998",
    )
    other = pki.leaf(issuer=pki.name("Vector Issuing CA 2"))
    yield reject(
        "issuer/other-name",
        "no authority has the name of the issuer",
        m.signed_data(certificates=[other], sid=m.issuer_and_serial(pki.name("Vector Issuing CA 2"))),
        "unknown-issuer",
    )
    shouting = x509.name(("O", "IMDSKIT  TEST VECTORS"), ("CN", "vector issuing ca"))
    yield accept(
        "issuer/name-case",
        "the issuer's name with different case and blanks (RFC 5280 7.1)",
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
        "the issuer's name with other string types (RFC 5280 7.1)",
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
        "an authority key identifier that matches no key; it is only a hint (RFC 5280 4.2.1.1)",
        _leaf(extensions=pki.leaf_extensions(authority_key_identifier=wrong)),
    )


def _signatures() -> Iterator[Case]:
    yield reject(
        "chain-signature/other-key",
        "the signer's certificate was signed with a key other than the authority's",
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
    yield reject("chain-signature/empty", "the signer's certificate has an empty signature", _leaf(signature=b""), "certificate-signature")
    yield reject(
        "chain-signature/zeros",
        "the signature of the signer's certificate consists of zeros",
        _leaf(signature=b"\0" * 256),
        "certificate-signature",
    )
    inner = x509.algorithm(pki.SHA256_RSA)
    yield reject(
        "chain-signature/algorithms-differ",
        "the two AlgorithmIdentifiers of the signer's certificate differ",
        _leaf(inner_algorithm=inner),
        None,
        see="RFC 5280 4.1.1.2",
    )
    weak = pki.key("weak", 1024)
    chain = [pki.leaf(signer=weak), pki.issuing(own=weak, extensions=pki.ca_extensions(weak, pki.key("root")))]
    yield reject(
        "chain-signature/weak-authority",
        "an authority with an RSA key of 1024 bits",
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

    yield accept("leaf/unknown-extension", "an unknown extension", more(x509.extension("1.2.3.4.5", der.null())))
    yield reject(
        "leaf/unknown-critical",
        "an unknown critical extension",
        more(x509.extension("1.2.3.4.5", der.null(), critical=True)),
        "unknown-critical-extension",
    )
    yield reject(
        "leaf/no-server-auth",
        "extended key usage for client authentication only",
        changed(extended_key_usage=x509.extended_key_usage(x509.CLIENT_AUTH)),
        "extended-key-usage",
    )
    yield reject(
        "leaf/code-signing",
        "extended key usage for code signing only",
        changed(extended_key_usage=x509.extended_key_usage("1.3.6.1.5.5.7.3.3")),
        "extended-key-usage",
    )
    yield accept(
        "leaf/server-auth-only",
        "extended key usage for server authentication only, as in genuine certificates since 2026",
        changed(extended_key_usage=x509.extended_key_usage(x509.SERVER_AUTH)),
    )
    yield accept("leaf/no-extended-key-usage", "no extended key usage", changed(extended_key_usage=None))
    yield reject(
        "leaf/empty-extended-key-usage", "an empty extended key usage", changed(extended_key_usage=x509.extended_key_usage()), None
    )
    yield accept("leaf/no-key-usage", "no key usage", changed(key_usage=None))
    yield reject(
        "leaf/key-usage-encipherment",
        "key usage with keyEncipherment only",
        changed(key_usage=x509.key_usage(x509.KEY_ENCIPHERMENT)),
        "key-usage",
    )
    yield reject("leaf/key-usage-none", "key usage without any bit", changed(key_usage=x509.key_usage()), None)
    yield accept("leaf/no-basic-constraints", "no basic constraints", changed(basic_constraints=None))
    twice = x509.key_usage(x509.DIGITAL_SIGNATURE)
    yield reject("leaf/extension-twice", "key usage twice (RFC 5280 4.2)", more(twice), None)
    yield reject(
        "leaf/names-twice",
        "subject alternative name twice, the first with a wrong name",
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
        yield reject(f"leaf/malformed-{shown}", f"{shown} has the wrong ASN.1 type", _leaf(extensions=extensions), None)


def _authority() -> Iterator[Case]:
    own, issuer = pki.key("issuing"), pki.key("root")

    def extensions(**changed: bytes | None) -> list[bytes]:
        return pki.ca_extensions(own, issuer, **changed)  # type: ignore[arg-type]  # names of extensions, not `path_length`

    yield _ca(
        "authority/not-ca",
        "the issuer's basic constraints say that it is not a CA",
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
        "an authority whose key usage lacks keyCertSign",
        "key-usage",
        extensions=extensions(key_usage=x509.key_usage(x509.DIGITAL_SIGNATURE, x509.CRL_SIGN)),
    )
    yield _ca(
        "authority/client-only",
        "an authority whose extended key usage has client authentication only",
        "extended-key-usage",
        extensions=[*extensions(), x509.extended_key_usage(x509.CLIENT_AUTH)],
    )
    yield _ca(
        "authority/server-auth",
        "an authority whose extended key usage has server and client authentication, as in genuine ones",
        None,
        extensions=[*extensions(), x509.extended_key_usage(x509.SERVER_AUTH, x509.CLIENT_AUTH)],
    )
    yield _ca(
        "authority/unknown-critical",
        "an authority with an unknown critical extension",
        "unknown-critical-extension",
        extensions=[*extensions(), x509.extension("1.2.3.4.5", der.null(), critical=True)],
    )
    require = x509.extension(POLICY_CONSTRAINTS, der.sequence(der.implicit(0, b"\0")), critical=True)
    yield _ca(
        "authority/policy-required",
        "the authority requires an explicit policy, and the signer has none",
        "policy",
        extensions=[*extensions(), require],
    )
    yield _ca(
        "authority/not-critical",
        "an authority whose basic constraints are not critical",
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
    yield case("permitted-case", "a permitted name in capital letters (CVE-2026-33810)", None, permitted=(dns("METADATA.AZURE.COM"),))
    yield case("permitted-other", "only other names are permitted", "name-constraints", permitted=(dns("example.com"),))
    yield case(
        "permitted-deeper",
        "only westeurope.metadata.azure.com and names below it are permitted",
        "name-constraints",
        permitted=(dns("westeurope.metadata.azure.com"),),
    )
    yield case("excluded", "names below azure.com are excluded", "name-constraints", excluded=(dns("azure.com"),))
    yield case("excluded-case", "an excluded name in capital letters (CVE-2026-33810)", "name-constraints", excluded=(dns("AZURE.COM"),))
    yield case("excluded-other", "other names are excluded", None, excluded=(dns("example.com"),))
    yield case(
        "excluded-part",
        "data.azure.com is excluded, which is a suffix of the signer's name only as text",
        None,
        excluded=(dns("data.azure.com"),),
    )
    yield case("excluded-all", "every DNS name is excluded", "name-constraints", excluded=(dns(""),))
    yield case("ip-only", "only IP addresses are constrained", None, permitted=(der.implicit(7, bytes((10, 0, 0, 0, 255, 0, 0, 0))),))
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
        "an authority below another one whose path length is 0",
        m.signed_data(),
        "path-length",
        intermediates=(below, middle_ca),
        see="CVE-2020-0601 family: unchecked chains",
    )
    free = pki.issuing(subject=middle, own=middle_key, extensions=pki.ca_extensions(middle_key, pki.key("root"), path_length=1))
    yield accept("path/length-1", "an authority below another one whose path length is 1", m.signed_data(), intermediates=(below, free))
    expired = pki.issuing(not_after=der.time(pki.AT - 1), serial=der.integer(5))
    yield accept(
        "path/twins",
        "two certificates of the authority, of which the first has expired",
        m.signed_data(),
        intermediates=(expired, pki.issuing()),
    )
    yield accept(
        "path/twins-reversed",
        "two certificates of the authority, of which the second has expired",
        m.signed_data(),
        intermediates=(pki.issuing(), expired),
    )
    other = pki.issuing(own=pki.key("foreign"), serial=der.integer(6), extensions=pki.ca_extensions(pki.key("foreign"), pki.key("root")))
    yield accept("path/name-twin", "two authorities with the same name", m.signed_data(), intermediates=(other, pki.issuing()))
    loop_a = pki.issuing(issuer=middle, signer=middle_key, extensions=pki.ca_extensions(pki.key("issuing"), middle_key))
    loop_b = pki.issuing(
        subject=middle,
        own=middle_key,
        issuer=pki.ISSUING,
        signer=pki.key("issuing"),
        extensions=pki.ca_extensions(middle_key, pki.key("issuing")),
    )
    yield reject(
        "path/loop",
        "two authorities that issued each other's certificates",
        m.signed_data(),
        None,
        stage="chain",
        intermediates=(loop_a, loop_b),
    )
    yield accept(
        "path/loop-and-way-out",
        "two authorities that issued each other's certificates, one of which also has a certificate of the root",
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
    yield reject(
        "path/leaf-as-authority",
        "the signer's certificate was issued with the key of a genuine signer, which is not an authority",
        document,
        "not-a-ca",
        see="CVE-2002-0862",
    )
