"""See the emulator, the client and the verifier work together on this machine.

The demo uses only the loopback network, and changes nothing on this machine.

Exit status:

  0  every step gave the expected result
  1  at least one step did not
"""

from __future__ import annotations

import argparse
import base64
import json
from datetime import UTC, datetime
from importlib.resources import files

from imdskit.cli.shared import output
from imdskit.client import Client
from imdskit.clock import SystemClock
from imdskit.emulator import Emulator
from imdskit.errors import ImdskitError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.nonces import NonceIssuer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the demo has no options."""


def run(_: argparse.Namespace) -> int:
    return _Demo().run()


class _Demo:
    def __init__(self) -> None:
        self._clock = SystemClock()
        self._start = self._clock.monotonic_ns()
        self._steps = 0

    def run(self) -> int:
        output.report(
            "A virtual machine on Azure can request a signed document about itself from a local service. Other programs can verify that "
            "document. This demo shows every step on this machine alone."
        )
        try:
            self._loop()
            self._sample()
        except ImdskitError as problem:
            output.line()
            output.flush()
            output.note("The demo failed. This is the error:")
            output.error(problem)
            return 1
        output.line()
        output.line(f"Every step gave the expected result, in {(self._clock.monotonic_ns() - self._start) / 1e9:.1f} s.")
        output.line("Continue with `imdskit serve --help`, `imdskit verify --help` or docs/cli.md.")
        return 0

    def _loop(self) -> None:
        self._step("Start an emulator of the metadata service, with its own test-only certificate authority.")
        output.flush()
        with Emulator("linux", rate_limit=False) as emulator:
            self._say(f"It listens at {emulator.url}.")

            self._step("Request the id of the machine, as software on an Azure machine does.")
            client = Client(emulator.url)
            vm_id = client.get("compute/vmId", format="text")
            self._say(f"GET /metadata/instance/compute/vmId returns {vm_id}")

            self._step(
                "Request an attested document. It contains the id, and is signed. The verifier chose a nonce, which the document must carry."
            )
            nonce = NonceIssuer().issue()
            document = client.attested_document(nonce)
            self._say(f"nonce    {nonce}")
            self._say(f"document {document[:40].decode('ascii')}... ({len(document)} bytes)")

            self._step("Verify the document. Only the emulator's root certificate is trusted here.")
            trust = Trust.from_pem([emulator.authority.root_pem.encode()], [emulator.authority.issuing_pem.encode()])
            attestation = Verifier(trust, Policy.online()).verify(document, nonce=nonce)
            claims = attestation.claims
            if claims.vm_id != vm_id:
                raise _unexpected("The machine id in the document differs from the one in the metadata.")
            self._say("Accepted. These claims are now proved:")
            self._say(f"vmId            {claims.vm_id}")
            self._say(f"subscriptionId  {claims.subscription_id}")
            self._say(f"createdOn       {datetime.fromtimestamp(claims.created_on, UTC)}")
            self._say(f"expiresOn       {datetime.fromtimestamp(claims.expires_on, UTC)}")
            self._say(f"signer          {attestation.name}, in a chain of {len(attestation.chain)} certificates")

            self._step("Change one letter of the machine id inside the document, and verify it again.")
            self._refused(Verifier(trust, Policy.online()), _with_other_id(document, vm_id), nonce, Reason.BAD_SIGNATURE)

            self._step("Verify the unchanged document with another nonce, as if somebody had copied an old document.")
            self._refused(Verifier(trust, Policy.online()), document, NonceIssuer().issue(), Reason.NONCE_MISMATCH)

            self._step("Verify the unchanged document like a service in production, which trusts only Azure's roots.")
            azure = Trust.bundled().with_intermediates(emulator.trust_pem.encode())
            self._refused(Verifier(azure, Policy.online()), document, nonce, Reason.UNTRUSTED_ROOT)

    def _sample(self) -> None:
        document = (files("imdskit.cli.emulator") / "documentation-sample.json").read_bytes()
        self._step(
            "Verify the sample from Microsoft's documentation of 2018 to 2021. It has the form of a real document, but a test key signed it."
        )
        report = Verifier(policy=Policy.offline_audit()).explain(document)
        self._say("Refused, for these reasons:")
        reasons = [outcome.error for outcome in report if outcome.error is not None]
        if not reasons or reasons[0].reason is not Reason.SIGNATURE_KEY:
            raise _unexpected("The sample was accepted, or refused for another reason.")
        for error in reasons:
            self._say(f"{error.code}: {error.message}" + (f" ({error.detail})" if error.detail else ""))

        self._step("Verify the sample with the preset `legacy_sample`, which checks little more than the signature.")
        attestation = Verifier(policy=Policy.preset("legacy_sample")).verify(document)
        self._say(
            "Accepted: the content is unchanged since it was signed. It proves nothing, because anyone could have signed it. The preset does not check:"
        )
        for relaxed in attestation.relaxed:
            self._say(f"- {relaxed}")

    def _refused(self, verifier: Verifier, document: bytes, nonce: str, expected: Reason) -> None:
        try:
            verifier.verify(document, nonce=nonce)
        except VerificationError as error:
            if error.reason is not expected:
                raise
            self._say(f"Refused, {error.code}: {error.message}")
            self._say(error.hint)
        else:
            raise _unexpected("The document was accepted.")

    def _step(self, text: str) -> None:
        self._steps += 1
        output.line()
        output.report(f"{self._steps}. {text}", 3)

    def _say(self, text: str) -> None:
        output.report(f"   {text}", 3)


def _unexpected(what: str) -> ImdskitError:
    return ImdskitError("demo-failed", what)


def _with_other_id(document: bytes, vm_id: str) -> bytes:
    members = json.loads(document)
    message = base64.b64decode(members["signature"])
    other = ("b" if vm_id[0] == "a" else "a") + vm_id[1:]
    changed = message.replace(vm_id.encode(), other.encode())
    return json.dumps({**members, "signature": base64.b64encode(changed).decode()}).encode()
