"""Create documents for every reason that a batch can have.

``python corpus.py FOLDER FILES ROWS`` writes FOLDER/in/0.parquet and so on, and ``trust.pem``,
``intermediates.pem`` and ``crls.pem`` in FOLDER. The documents are the test vectors of
tests/vectors/attested that need no special settings, one document of a revoked signer, and some
whose issuing authority has one defect.

Each document occurs in many rows. The column ``received`` contains a time at which the document is
fresh, too old, expired or not yet valid, because the policy ``online`` checks this. The column
``issued`` contains the nonce of the document, another nonce, or null.
"""

from __future__ import annotations

import base64
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "attested"
sys.path[:0] = [str(VECTORS), str(ROOT / "tests" / "support"), str(ROOT / "python")]

import defects_chain  # noqa: E402  # the paths above come first
import message  # noqa: E402
from attested_vectors import CASES  # noqa: E402
from defects_revocation import entry, of_root, revocation_list  # noqa: E402

import pki  # noqa: E402
from imdskit.asn1 import writer as der  # noqa: E402
from imdskit.emulator.authority import certificates as x509  # noqa: E402

SPECIAL = {"intermediates", "crls", "at", "nonce"}
"""Members of a test case that change how it is verified. Such cases are left out."""
REVOKED = 0x2B
FRESH, OLD, EARLY, LATE = (message.CREATED + seconds for seconds in (100, 600, -10_800, 36_000))
NONCE = "4071882193"
MOST = 1024
"""Maximum number of names in a certificate, and of excluded bases in name constraints. Comparing
``MOST`` names with ``MOST + 1`` bases exceeds the budget of the verifier."""


def document(*certificates: bytes, issuer: bytes = pki.ISSUING, serial: int = 0x1234567890ABCDEF) -> bytes:
    sid = message.issuer_and_serial(issuer, der.integer(serial))
    return message.envelope(message.signed_data(certificates=certificates, sid=sid))


def below(
    common_name: str, *more: bytes, own: pki.Key, path_length: int | None = None, above: bytes | None = None, names: tuple[str, ...] = ()
) -> bytes:
    """Return a document that contains the certificates of its signer and of an issuing authority.

    The authority has the additional extensions ``more``. ``above`` is the certificate of the issuer
    of the authority. With None, the root is the issuer, and the document does not contain it.
    """
    issuer = pki.name(common_name)
    over, over_key = (pki.ROOT, pki.key("root")) if above is None else (pki.name("Vector Upper CA"), pki.key("middle"))
    extensions = [*pki.ca_extensions(own, over_key, path_length=path_length), *more]
    authority = pki.issuing(subject=issuer, own=own, issuer=over, signer=over_key, extensions=extensions)
    identifier = x509.authority_key_identifier(x509.key_identifier(own))
    leaf = pki.leaf(
        issuer=issuer, signer=own, extensions=pki.leaf_extensions(names=(*pki.SIGNER_NAMES, *names), authority_key_identifier=identifier)
    )
    return document(leaf, authority, *([above] if above else []), issuer=issuer)


def documents() -> list[bytes]:
    own, upper = pki.key("foreign"), pki.key("middle")
    one_below = pki.issuing(
        subject=pki.name("Vector Upper CA"), own=upper, extensions=pki.ca_extensions(upper, pki.key("root"), path_length=0)
    )
    azure, other = der.implicit(2, b"azure.com"), der.implicit(2, b"org")
    excluded = defects_chain._constraints(excluded=(azure,))
    endless = defects_chain._constraints(permitted=(azure,), excluded=(other,) * MOST)
    many = tuple(f"a{number}.metadata.azure.com" for number in range(MOST - len(pki.SIGNER_NAMES)))
    required = x509.extension(defects_chain.POLICY_CONSTRAINTS, der.sequence(der.implicit(0, b"\0")), critical=True)
    return [
        *(base64.b64decode(case["document"]) for case in CASES if not SPECIAL & case.keys()),
        document(pki.leaf(serial=der.integer(REVOKED)), serial=REVOKED),
        below("Vector CA without a list", own=own),
        below("Vector CA of 1024 bits", own=pki.key("weak authority", 1024)),
        below("Vector CA not for azure.com", excluded, own=own),
        below("Vector CA of many bases", endless, own=own, names=many),
        below("Vector CA with a policy", required, own=own),
        below("Vector CA below another", own=own, above=one_below),
    ]


def main(folder: Path, files: int, rows: int) -> None:
    (folder / "in").mkdir(parents=True)
    rng, each = random.Random(pki.SEED), documents()
    for file in range(files):
        columns = {
            "id": pa.array(range(file * rows, (file + 1) * rows), pa.int64()),
            "document": pa.array([each[number % len(each)] for number in range(file * rows, (file + 1) * rows)], pa.binary()),
            "received": pa.array(
                [second * 10**6 for second in rng.choices((FRESH, OLD, EARLY, LATE), (7, 1, 1, 1), k=rows)], pa.timestamp("us", "UTC")
            ),
            "issued": pa.array(rng.choices((NONCE, NONCE[::-1], None), (8, 1, 1), k=rows), pa.string()),
        }
        pq.write_table(pa.table(columns), folder / "in" / f"{file}.parquet", row_group_size=500)
    pems = {
        "trust": ("CERTIFICATE", pki.root()),
        "intermediates": ("CERTIFICATE", pki.issuing()),
        "crls": ("X509 CRL", of_root(), revocation_list(entry(REVOKED))),
    }
    for name, (label, *ders) in pems.items():
        text = "".join(f"-----BEGIN {label}-----\n{base64.b64encode(one).decode()}\n-----END {label}-----\n" for one in ders)
        (folder / f"{name}.pem").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
