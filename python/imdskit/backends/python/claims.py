"""Parser of the signed content, and the checks of the times and the nonce in it.

The signed content is a JSON object with claims about the machine. The IMDS documentation describes
it under "Attested data", and all genuine documents that were published from 2019 to 2026 have this
format.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hmac import compare_digest

from imdskit import strict_json
from imdskit.backends.contract import Claims, Setup
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_TIME = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) -0000", re.ASCII)


def parse(content: bytes, setup: Setup) -> Claims:
    """Parse the signed content of a message. Unknown members are ignored, because new api-versions
    add members.

    Raises:
        VerificationError: ``bad-claims``, ``missing-claim`` or ``bad-time``.
    """
    try:
        members = strict_json.loads(content, setup.limits.json_brackets)
    except strict_json.JsonError as error:
        raise VerificationError(Reason.BAD_CLAIMS, location="content", detail=str(error)) from None
    if not isinstance(members, dict):
        raise VerificationError(Reason.BAD_CLAIMS, location="content", detail="not an object")
    time_stamp = _object(members, "timeStamp")
    plan = _object(members, "plan") if "plan" in members else None
    claims = Claims(
        vm_id=_required(members, "vmId", "vmId"),
        nonce=_required(members, "nonce", "nonce"),
        created_on=_time(time_stamp, "createdOn"),
        expires_on=_time(time_stamp, "expiresOn"),
        plan=None if plan is None else (_plan(plan, "name"), _plan(plan, "product"), _plan(plan, "publisher")),
        subscription_id=_optional(members, "subscriptionId"),
        sku=_optional(members, "sku"),
        license_type=_optional(members, "licenseType"),
    )
    if setup.require_vm_id and not claims.vm_id:
        raise VerificationError(Reason.MISSING_CLAIM, location="content.vmId", detail="empty")
    if claims.created_on > claims.expires_on:
        raise VerificationError(Reason.BAD_TIME, location="content.timeStamp", detail="createdOn is after expiresOn")
    return claims


def check_times(claims: Claims, at: int, setup: Setup) -> None:
    """Check that the time ``at`` is between createdOn and expiresOn, and that the document is not
    older than ``max_age`` seconds. The tolerance of each comparison is ``skew`` seconds.

    Raises:
        VerificationError: ``document-not-yet-valid``, ``document-expired`` or ``document-too-old``.
    """
    if at < claims.created_on - setup.skew:
        detail = f"created {claims.created_on - at} s after the time of the check"
        raise VerificationError(Reason.DOCUMENT_NOT_YET_VALID, location="content.timeStamp.createdOn", detail=detail)
    if at > claims.expires_on + setup.skew:
        detail = f"expired {at - claims.expires_on} s before the time of the check"
        raise VerificationError(Reason.DOCUMENT_EXPIRED, location="content.timeStamp.expiresOn", detail=detail)
    if setup.max_age is not None and at > claims.created_on + setup.max_age + setup.skew:
        detail = f"{at - claims.created_on} s old, at most {setup.max_age} s are allowed"
        raise VerificationError(Reason.DOCUMENT_TOO_OLD, location="content.timeStamp.createdOn", detail=detail)


def check_nonce(claims: Claims, nonce: str | None, setup: Setup) -> None:
    """Check that the document contains the nonce that the caller expects. The duration of the
    comparison does not reveal where the two nonces differ.

    Raises:
        VerificationError: ``nonce-mismatch`` or ``nonce-required``.
    """
    if nonce is None:
        if setup.require_nonce:
            raise VerificationError(Reason.NONCE_REQUIRED, location="nonce")
    elif not compare_digest(claims.nonce.encode(), nonce.encode("utf-8", "surrogatepass")):
        raise VerificationError(Reason.NONCE_MISMATCH, location="content.nonce")


def _object(members: dict[str, object], name: str) -> dict[str, object]:
    if name not in members:
        raise VerificationError(Reason.MISSING_CLAIM, location=f"content.{name}")
    value = members[name]
    if not isinstance(value, dict):
        raise VerificationError(Reason.BAD_CLAIMS, location=f"content.{name}", detail="not an object")
    return value


def _required(members: dict[str, object], name: str, path: str) -> str:
    if name not in members:
        raise VerificationError(Reason.MISSING_CLAIM, location=f"content.{path}")
    value = members[name]
    if not isinstance(value, str):
        raise VerificationError(Reason.BAD_CLAIMS, location=f"content.{path}", detail="not a string")
    return value


def _optional(members: dict[str, object], name: str) -> str | None:
    return _required(members, name, name) if name in members else None


def _plan(plan: dict[str, object], name: str) -> str:
    return _required(plan, name, f"plan.{name}")


def _time(time_stamp: dict[str, object], name: str) -> int:
    path = f"timeStamp.{name}"
    text = _required(time_stamp, name, path)
    match = _TIME.fullmatch(text)
    if match is None:
        raise VerificationError(Reason.BAD_TIME, location=f"content.{path}", detail=repr(text[:40]))
    month, day, year, hour, minute, second = map(int, match.groups())
    try:
        return (datetime(2000 + year, month, day, hour, minute, second) - _EPOCH) // _SECOND
    except ValueError as error:
        raise VerificationError(Reason.BAD_TIME, location=f"content.{path}", detail=str(error)) from None
