"""Policy of a verifier: demands on a document beyond being genuine. Each relaxation has a name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from imdskit import arguments
from imdskit.backends.contract import Settings, Setup
from imdskit.clouds import CLOUDS, Cloud
from imdskit.errors import UsageError
from imdskit.verify.trust import Trust


@dataclass(frozen=True, slots=True)
class Policy(Settings):
    """Demands on a document.

    Start with :meth:`online`, the policy of a service that issues a nonce for each document. The defaults of the class are those of
    :meth:`offline_audit`: they accept a document of any Azure cloud, within its own six hours, with or without a nonce. If the caller gives a
    nonce, it is always compared.

    Attributes:
        clouds: whose metadata service may have signed.
        max_age: seconds since ``createdOn``, up to a year; or None for the document's own ``expiresOn``.
        skew: seconds by which two clocks may differ, 0 to 3600.
        require_nonce: refuse to verify without a nonce.
        check_chain: whether the signer must lead to a trust anchor. False proves nothing about who signed.
        check_times: whether the document must be current.
        require_vm_id: whether ``vmId`` must not be empty.
        allow_common_name: accept the common name of a signer without subject alternative name.
        min_rsa_bits: of every RSA key involved, 512 to 8192.
        require_crl: where ``Trust.crls`` are given, whether every certificate below the anchor needs one that speaks for it. Without, a list that
            cannot be used, because it is out of date or forged, is as good as none.
        limits: bounds on hostile input.

    Raises:
        UsageError: a setting is of the wrong type or out of range.
    """

    clouds: tuple[Cloud, ...] = CLOUDS

    def __post_init__(self) -> None:
        if not arguments.items(self.clouds, "policy.clouds", Cloud):
            raise UsageError("bad-argument", "`clouds` must contain at least one cloud.", location="policy.clouds")
        for cloud in self.clouds:
            if not all(isinstance(text, str) and text for text in cloud[:3]):
                raise arguments.mistake("policy.clouds", "clouds with a name, an environment and a domain", cloud)
        if len({cloud.name for cloud in self.clouds}) < len(self.clouds):
            raise UsageError("bad-argument", "`clouds` must not contain two clouds of the same name.", location="policy.clouds")
        self._check_settings("policy")

    @classmethod
    def online(cls, *, max_age: int = 300, accept: tuple[Cloud, ...] = CLOUDS) -> Policy:
        """Return the recommended policy, for a service that has just requested this document with a nonce of its own.

        The nonce is required, and the document must be at most ``max_age`` seconds old. A recorded document is refused.
        """
        return cls(clouds=accept, max_age=max_age, require_nonce=True)

    @classmethod
    def offline_audit(cls, *, accept: tuple[Cloud, ...] = CLOUDS) -> Policy:
        """Return the policy for stored documents, which are judged as of the time of their receipt.

        It gives up freshness: no nonce is required, and a document is accepted for its whole lifetime of six hours. Anybody who has
        obtained a copy of a genuine document can present it during that time. Do not admit machines with this policy.
        """
        return cls(clouds=accept)

    @classmethod
    def legacy_sample(cls) -> Policy:
        """For the sample in Microsoft's documentation of 2018 to 2021: self-signed, RSA-1024, expired within seconds, for no machine.
        Only its signature is checked. **Proves nothing**: anybody can make such a document."""
        return cls(check_chain=False, check_times=False, require_vm_id=False, allow_common_name=True, min_rsa_bits=1024)

    @classmethod
    def preset(cls, name: str) -> Policy:
        """Return the policy called ``name``: ``online``, ``offline_audit`` or ``legacy_sample``.

        Raises:
            UsageError: there is no such preset.
        """
        if name not in PRESETS:
            message = f"`preset` must be the name of a preset; got {arguments.shown(name)}."
            raise UsageError("bad-argument", message, location="preset", hint="Known: " + ", ".join(PRESETS) + ".")
        return {"online": cls.online, "offline_audit": cls.offline_audit, "legacy_sample": cls.legacy_sample}[name]()

    @property
    def relaxed(self) -> tuple[str, ...]:
        """The checks that this policy leaves out or weakens, in words."""
        default = Policy()
        words = {
            "the chain to a trust anchor": not self.check_chain,
            "the document's times": not self.check_times,
            "that vmId is not empty": not self.require_vm_id,
            "that the name is a subject alternative name": self.allow_common_name,
            "that a revocation list speaks for every certificate": not self.require_crl,
            f"keys down to {self.min_rsa_bits} bits": self.min_rsa_bits < default.min_rsa_bits,
        }
        return tuple(word for word, is_relaxed in words.items() if is_relaxed)

    def setup(self, trust: Trust) -> Setup:
        """What a backend must know."""
        names = tuple((cloud.name, cloud.domain) for cloud in self.clouds)
        settings: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(Settings)}
        return Setup(trust.anchors, trust.intermediates, names, trust.crls, **settings)


PRESETS = ("online", "offline_audit", "legacy_sample")
"""Names of the presets: the class methods of :class:`Policy`."""
