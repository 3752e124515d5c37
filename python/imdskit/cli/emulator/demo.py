"""See the whole loop work on this machine: sign, fetch, verify, and refuse. Needs no network but loopback, and changes nothing.

Exit status: 0 everything went as told, 1 something did not."""

from __future__ import annotations

import argparse
import base64
import json
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
    """None."""


def run(_: argparse.Namespace) -> int:
    return _Demo().run()


class _Demo:
    def __init__(self) -> None:
        self._clock = SystemClock()
        self._start = self._clock.monotonic_ns()
        self._steps = 0

    def run(self) -> int:
        output.line("An Azure machine can ask a local service who it is, and have that signed, so that others can check it.")
        output.line("Here is the whole loop, on this machine alone.")
        try:
            self._loop()
            self._sample()
        except ImdskitError as problem:
            output.line()
            output.flush()
            output.note("This should not have happened:")
            output.error(problem)
            return 1
        output.line()
        output.line(f"Everything went as it should, in {(self._clock.monotonic_ns() - self._start) / 1e9:.1f} s.")
        output.line("Next: `imdskit serve --help`, `imdskit verify --help`, docs/cli.md.")
        return 0

    def _loop(self) -> None:
        self._step("Start an emulator of the metadata service, and make keys for a test-only authority that signs for it.")
        output.flush()
        with Emulator("linux", rate_limit=False) as emulator:
            self._say(f"It answers at {emulator.url}; nobody but this demo knows of it.")

            self._step("Ask it which machine this is, as software in an Azure machine does.")
            client = Client(emulator.url)
            vm_id = client.get("compute/vmId", format="text")
            self._say(f"GET /metadata/instance/compute/vmId says {vm_id}")

            self._step("Ask for an attested document: the same, signed. Whoever wants to know makes a nonce first, which must come back.")
            nonce = NonceIssuer().issue()
            document = client.attested_document(nonce)
            self._say(f"nonce    {nonce}")
            self._say(f"document {document[:56].decode('ascii')}... ({len(document)} bytes)")

            self._step("Verify it. The emulator's root is trusted for this, and no other.")
            trust = Trust.from_pem([emulator.authority.root_pem.encode()], [emulator.authority.issuing_pem.encode()])
            attestation = Verifier(trust, Policy.online()).verify(document, nonce=nonce)
            claims = attestation.claims
            if claims.vm_id != vm_id:
                raise _unexpected("The document names another machine.")
            self._say("Accepted. This is what is proven now:")
            self._say(f"vmId            {claims.vm_id}")
            self._say(f"subscriptionId  {claims.subscription_id}")
            stamp = attestation.members()["timeStamp"]
            self._say(f"timeStamp       {json.dumps(stamp)}")
            self._say(f"signer          {attestation.name}; {len(attestation.chain)} certificates lead from it to the emulator's root")

            self._step("Change one letter of the machine's id inside of the document. A verifier that only reads it would not notice.")
            self._refused(Verifier(trust, Policy.online()), _with_other_id(document, vm_id), nonce, Reason.BAD_SIGNATURE)

            self._step("Show the genuine document to somebody who sent another nonce: it may be an old one, or a stolen one.")
            self._refused(Verifier(trust, Policy.online()), document, NonceIssuer().issue(), Reason.NONCE_MISMATCH)

            self._step(
                "Verify it as a real service would, trusting Azure's roots only; the emulator's certificates are at hand, not trusted."
            )
            azure = Trust.bundled().with_intermediates(emulator.trust_pem.encode())
            self._refused(Verifier(azure, Policy.online()), document, nonce, Reason.UNTRUSTED_ROOT)

    def _sample(self) -> None:
        document = (files("imdskit.cli.emulator") / "documentation-sample.json").read_bytes()
        self._step("Verify a document that Microsoft made: the sample of the documentation of 2018 to 2021. It is a real one in form only.")
        report = Verifier(policy=Policy.offline_audit()).explain(document)
        self._say("Refused, and these are the reasons that a verifier must know:")
        reasons = [outcome.error for outcome in report if outcome.error is not None]
        if not reasons or reasons[0].reason is not Reason.SIGNATURE_KEY:
            raise _unexpected("The sample was refused for another reason, or not at all.")
        for error in reasons:
            self._say(f"{error.code:15} {error.message}" + (f" ({error.detail})" if error.detail else ""))

        self._step("Verify the same under the preset `legacy_sample`, which checks the signature and little else.")
        attestation = Verifier(policy=Policy.preset("legacy_sample")).verify(document)
        self._say("Accepted: the content is what was signed. By whom is not known, so it proves nothing. This was not checked:")
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
        output.line(f"{self._steps}. {text}")

    def _say(self, text: str) -> None:
        output.line(f"   {text}")


def _unexpected(what: str) -> ImdskitError:
    return ImdskitError("demo-failed", what)


def _with_other_id(document: bytes, vm_id: str) -> bytes:
    members = json.loads(document)
    message = base64.b64decode(members["signature"])
    other = ("b" if vm_id[0] == "a" else "a") + vm_id[1:]
    changed = message.replace(vm_id.encode(), other.encode())
    return json.dumps({**members, "signature": base64.b64encode(changed).decode()}).encode()
