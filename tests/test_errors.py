"""Tests of the exceptions: what they share, and the JSON form of a refusal."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from imdskit import errors
from imdskit.codes import ClientCode
from imdskit.errors import ClientError, VerificationError
from imdskit.reasons import Reason


def test_refusal_can_be_written_as_json() -> None:
    refusal = VerificationError(Reason.EXPIRED, location="certificates[1]@812", detail="It ended on 2025-01-01.")
    members = refusal.to_json()
    assert members == {
        "reason": "expired",
        "stage": "chain",
        "location": "certificates[1]@812",
        "message": refusal.message,
        "detail": "It ended on 2025-01-01.",
        "hint": refusal.hint,
    }
    assert json.loads(json.dumps(members)) == members
    assert {type(value) for value in members.values()} == {str}  # no enumerations, which other serialisers may refuse


@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_copied_client_error_keeps_its_attributes(copied: object) -> None:
    error = ClientError(ClientCode.THROTTLED, "Too many requests.", location="http://x", status=429, retry_after=2.0)
    error.attempts = 3
    twin = copied(error)  # type: ignore[operator]
    assert twin.__dict__ == error.__dict__
    assert twin.code is ClientCode.THROTTLED
    assert (twin.code, str(twin)) == ("throttled", "throttled: Too many requests. (at http://x)")
    assert json.dumps({"code": twin.code}) == '{"code": "throttled"}'


def test_every_exception_is_an_imdskit_error() -> None:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException)]
    assert len(found) > 10
    assert all(issubclass(kind, errors.ImdskitError) for kind in found)
