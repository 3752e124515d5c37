"""Policy of a verifier. A policy has requirements on a document that go beyond a valid signature.
It can also relax checks, but only if the caller requests this explicitly."""

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
    """Requirements on a document.

    Start with :meth:`online`, which is the policy for a service that issues a nonce for each
    document. The default values of the attributes are those of :meth:`offline_audit`: a document of
    any Azure cloud is accepted during its lifetime of six hours, with or without a nonce. If the
    caller passes a nonce to the verifier, the document must always contain this nonce.

    Attributes:
        clouds: clouds whose metadata service may have signed the document.
        max_age: maximum number of seconds since ``createdOn``, up to one year. None means that only
            ``expiresOn`` limits the age of the document.
        skew: number of seconds by which the clocks of signer and verifier may differ, 0 to 3600.
        require_nonce: if True, a document is refused unless the caller passes a nonce for it to the
            verifier.
        check_chain: if True, a path must lead from the signer to a trust anchor. If False, anybody
            may have signed the document.
        check_times: if True, the time of the check must be between ``createdOn`` and ``expiresOn``,
            with a tolerance of ``skew``. If False, ``max_age`` has no effect either.
        require_vm_id: if True, an empty ``vmId`` is refused.
        allow_common_name: if True, and the signer's certificate has no subject alternative name,
            the common name in the certificate counts as a DNS name.
        min_rsa_bits: minimum size of the RSA keys of the signer and of the authorities, 512 to 8192
            bits.
        require_crl: has an effect only if ``Trust.crls`` contains revocation lists. If True, a
            document is refused unless each certificate below the anchor is covered by a usable
            list. If False, a certificate without such a list is accepted. In this case, outdated
            and forged lists have no effect.
        limits: limits on input that may come from an attacker.

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
        """Return the recommended policy. It is for a service that has issued a nonce and receives a
        document with this nonce shortly afterwards.

        The nonce is required, and the document must be at most ``max_age`` seconds old. Therefore a
        document that somebody recorded earlier, with another nonce, is refused.

        Args:
            max_age: maximum age of a document in seconds.
            accept: clouds whose metadata service may have signed the document.
        """
        return cls(clouds=accept, max_age=max_age, require_nonce=True)

    @classmethod
    def offline_audit(cls, *, accept: tuple[Cloud, ...] = CLOUDS) -> Policy:
        """Return the policy for audits of stored documents. For each document, pass the argument
        ``at`` to the verifier: the time at which the document was received.

        Do not admit machines with this policy, because it does not ensure that a document is fresh.
        It requires no nonce, and accepts a document during its whole lifetime of six hours. Anybody
        who has obtained a copy of a genuine document can present it during this time.

        Args:
            accept: clouds whose metadata service may have signed the documents.
        """
        return cls(clouds=accept)

    @classmethod
    def legacy_sample(cls) -> Policy:
        """Return the policy for the sample document in Microsoft's documentation of 2018 to 2021.

        The certificate of the sample is self-signed, and its RSA key has 1024 bits. The sample was
        valid for a few seconds only, and it does not belong to a machine. For these reasons, the
        policy checks neither the chain nor the times, and it accepts an empty ``vmId``. **An
        accepted document proves nothing**, because anybody can create such a document.
        """
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
        """Descriptions of the checks that this policy leaves out or weakens. Empty if there are
        none."""
        default = Policy()
        words = {
            "the chain to a trust anchor": not self.check_chain,
            "the document's times": not self.check_times,
            "that vmId is not empty": not self.require_vm_id,
            "that the name is a subject alternative name": self.allow_common_name,
            "that a revocation list covers every certificate": not self.require_crl,
            f"that RSA keys have at least {default.min_rsa_bits} bits": self.min_rsa_bits < default.min_rsa_bits,
        }
        return tuple(word for word, is_relaxed in words.items() if is_relaxed)

    def setup(self, trust: Trust) -> Setup:
        """Return the configuration of a checker for this policy and ``trust``."""
        names = tuple((cloud.name, cloud.domain) for cloud in self.clouds)
        settings: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(Settings)}
        return Setup(trust.anchors, trust.intermediates, names, trust.crls, **settings)


PRESETS = ("online", "offline_audit", "legacy_sample")
"""Names of the presets. Each is the name of a class method of :class:`Policy`."""
