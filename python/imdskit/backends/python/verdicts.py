"""Verdicts on many documents, as a list and by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imdskit.backends.contract import Claims, Columns, Signed
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

_INDEX = {reason: index for index, reason in enumerate(Reason)}

_Texts = tuple[bytes, bytes, bytes]


class Verdicts(list[Signed | VerificationError]):
    """See :class:`imdskit.backends.contract.Verdicts`."""

    def columns(self) -> Columns:
        """See :meth:`imdskit.backends.contract.Verdicts.columns`."""
        signed = [None if isinstance(verdict, VerificationError) else verdict for verdict in self]
        refused = [verdict if isinstance(verdict, VerificationError) else None for verdict in self]
        claims = [None if one is None else one.claims for one in signed]
        whose = [None if one is None else (one.label, one.name, one.chain) for one in signed]
        signers = tuple(dict.fromkeys(one for one in whose if one))
        indexes = {one: index for index, one in enumerate(signers)}
        return Columns(
            len(self),
            _bits([one is not None for one in signed]),
            bytes(_INDEX[error.reason] if error else 0 for error in refused),
            _numbers(4, (indexes[one] if one else 0 for one in whose)),
            _numbers(8, (one.created_on if one else 0 for one in claims)),
            _numbers(8, (one.expires_on if one else 0 for one in claims)),
            {
                "location": _texts([None if error is None else error.location for error in refused]),
                "detail": _texts([None if error is None else error.detail for error in refused]),
                "vm_id": _texts([None if one is None else one.vm_id for one in claims]),
                "nonce": _texts([None if one is None else one.nonce for one in claims]),
                "plan_name": _texts([_plan(one, 0) for one in claims]),
                "plan_product": _texts([_plan(one, 1) for one in claims]),
                "plan_publisher": _texts([_plan(one, 2) for one in claims]),
                "subscription_id": _texts([None if one is None else one.subscription_id for one in claims]),
                "sku": _texts([None if one is None else one.sku for one in claims]),
                "license_type": _texts([None if one is None else one.license_type for one in claims]),
            },
            signers,
        )


def _plan(claims: Claims | None, index: int) -> str | None:
    return claims.plan[index] if claims and claims.plan else None


def _bits(flags: Sequence[bool]) -> bytes:
    return bytes(sum(flag << index for index, flag in enumerate(flags[start : start + 8])) for start in range(0, len(flags), 8))


def _numbers(size: int, numbers: Iterable[int]) -> bytes:
    return b"".join(number.to_bytes(size, "little", signed=True) for number in numbers)


def _texts(texts: Sequence[str | None]) -> _Texts:
    encoded = [(text or "").encode() for text in texts]
    offsets, end = [0], 0
    for one in encoded:
        end += len(one)
        offsets.append(end)
    return _bits([text is not None for text in texts]), _numbers(4, offsets), b"".join(encoded)
