"""chain: a leaf, a pool, anchors, a time, perhaps a name: is there a good path?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters import host
from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.asn1 import oids
from imdskit.backends.contract import Limits
from imdskit.backends.python import path, signature
from imdskit.backends.python.certificate import Certificate
from imdskit.backends.python.validation import Inputs
from imdskit.backends.python.x509 import parse_certificate
from imdskit.errors import DerError, VerificationError

PURPOSES = {
    "serverAuth": oids.SERVER_AUTH,
    "clientAuth": oids.CLIENT_AUTH,
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
    "ocspSigning": "1.3.6.1.5.5.7.3.9",
}


def judge(case: Case, suite: Suite) -> Verdict:
    """The verdict of path building, path validation and, where the case names a peer, the name check."""
    try:
        leaf = parse_certificate(suite.blob(case["leaf"]))
    except DerError as error:
        return Verdict(False, str(error))
    return judge_path(leaf, (), case, suite)


def judge_path(leaf: Certificate, embedded: Iterable[Certificate], chain: dict[str, Any], suite: Suite, key_usage: frozenset[str] = frozenset()) -> Verdict:
    """The same for a leaf that is parsed already; ``embedded`` joins the pool."""
    try:
        path.build(
            leaf,
            anchors=_parse_all(chain["anchors"], suite),
            intermediates=(*embedded, *_parse_all(chain["intermediates"], suite)),
            inputs=_inputs(chain, key_usage),
            limits=Limits(),
        )
    except VerificationError as error:
        return Verdict(False, f"{error}; {error.detail}")
    problem = signature.key_fault(leaf.public_key, 2048)
    if problem:
        return Verdict(False, problem)
    if chain.get("peer_name") and not host.matches(leaf, chain["peer_name"]):
        return Verdict(False, "another name")
    return ACCEPT


def _parse_all(keys: Iterable[str], suite: Suite) -> list[Certificate]:
    """The certificates that are any; one that is none helps nobody and harms nobody."""
    found = []
    for key in keys:
        try:
            found.append(parse_certificate(suite.blob(key)))
        except DerError:
            continue
    return found


def _inputs(chain: dict[str, Any], key_usage: frozenset[str]) -> Inputs:
    policy = chain.get("policy") or {}
    purpose = chain["purpose"]
    return Inputs(
        at=None if chain["time"] is None else int(datetime.fromisoformat(chain["time"]).timestamp()),
        purpose=None if purpose is None else PURPOSES.get(purpose, f"unknown {purpose}"),
        key_usage=frozenset(chain.get("key_usage") or key_usage),
        policies=frozenset(policy.get("initial_policy_set") or (oids.ANY_POLICY,)),
        explicit_policy=policy.get("require_explicit", False),
        inhibit_mapping=policy.get("inhibit_mapping", False),
        inhibit_any=policy.get("inhibit_any", False),
    )
