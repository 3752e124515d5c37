"""Tests of the detection of Azure: evidence, missing responses, and responses of other programs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from imdskit.client import Client
from imdskit.client.detect import CHASSIS_TAG, SOURCES, TAG_FILE, Conclusion, Evidence, Outcome, conclude, detect
from imdskit.emulator import Emulator, Scenario
from imdskit.errors import VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier

Listen = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("linux", seed=1, rate_limit=False) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Callable[[bytes | None], Path]:
    """Return a function that creates a file system with a given chassis asset tag."""

    def make(tag: bytes | None) -> Path:
        file = tmp_path / TAG_FILE
        file.parent.mkdir(parents=True)
        if tag is not None:
            file.write_bytes(tag)
        return tmp_path

    return make


def nowhere() -> Client:
    return Client("http://127.0.0.1:9", retry=None)


def evidence_of(listen: Listen, response: bytes) -> Evidence:
    return detect(Client(listen(response).url, timeout=2, retry=None), root="/nonexistent")


def seen(evidence: Evidence, name: str) -> str:
    return next(step.seen for step in evidence.steps if step.name == name)


def http(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n\r\n".encode() + body


TAGS: dict[str, tuple[bytes | None, Outcome]] = {
    "azure": (CHASSIS_TAG.encode() + b"\n", "yes"),
    "another vendor": (b"Default string\n", "no"),
    "with an additional character": (CHASSIS_TAG.encode() + b"0\n", "no"),
    "binary": (b"\xff\x00", "no"),
    "very long": (b"7" * 100_000, "no"),
    "empty": (b"\n", "unknown"),
    "absent": (None, "unknown"),
}


@pytest.mark.parametrize(("tag", "outcome"), TAGS.values(), ids=TAGS.keys())
def test_chassis_tag_is_evidence(root: Callable[[bytes | None], Path], tag: bytes | None, outcome: Outcome) -> None:
    evidence = detect(nowhere(), root=root(tag))
    assert evidence.outcome("chassis") == outcome
    assert len(seen(evidence, "chassis")) < 400


def test_unreadable_chassis_tag_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / TAG_FILE).mkdir(parents=True)
    evidence = detect(nowhere(), root=tmp_path)
    assert evidence.outcome("chassis") == "unknown"
    assert "directory" in seen(evidence, "chassis")


def test_reads_no_chassis_tag_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "does not read it on Windows" in seen(detect(nowhere(), root="/nonexistent"), "chassis")


def test_emulator_looks_like_the_service(emulator: Emulator) -> None:
    evidence = detect(Client(emulator.url), root="/nonexistent")
    assert [(step.name, step.outcome) for step in evidence.steps] == [("chassis", "unknown"), ("address", "yes"), ("shape", "yes")]
    assert evidence.conclusion == "likely"
    assert evidence.vm_id == Client(emulator.url).get("compute/vmId", "text")
    assert "35 api-versions, the newest 2025-04-07" in seen(evidence, "shape")
    assert "which is not the service's own address" in seen(evidence, "address")


def test_classic_machine_without_id_looks_like_the_service() -> None:
    with Emulator(Scenario.parse(b'{"kind": "classic"}'), seed=1) as running:
        evidence = detect(Client(running.url), root="/nonexistent")
    assert (evidence.outcome("shape"), evidence.vm_id) == ("yes", None)


def test_refused_connection_is_evidence_and_timeout_is_not(listen: Listen) -> None:
    refused = detect(nowhere(), root="/nonexistent")
    assert (refused.outcome("address"), refused.outcome("shape"), refused.conclusion) == ("no", "unknown", "unknown")
    silent = detect(Client(listen(b"").url, retry=None), root="/nonexistent")
    assert (silent.outcome("address"), silent.outcome("shape")) == ("yes", "unknown")


def test_connect_timeout_does_not_mean_absence(listen: Listen) -> None:
    class Vanishing(Client):
        def versions(self) -> tuple[str, ...]:
            from imdskit.errors import ClientError

            raise ClientError("timed-out", "No complete response arrived in time.", connected=False)

    evidence = detect(Vanishing("http://127.0.0.1:9"), root="/nonexistent")
    assert (evidence.outcome("address"), evidence.conclusion) == ("unknown", "unknown")


FOREIGN: dict[str, tuple[bytes, str]] = {
    "a portal": (http("200 OK", b"<html><title>Captive portal</title></html>", "text/html"), "captive portal"),
    "a proxy that refuses access": (http("403 Forbidden", b"<html>squid/5.7</html>", "text/html"), "the proxy Squid"),
    "ec2": (http("404 Not Found", b'<?xml version="1.0"?><html><title>404 - Not Found</title></html>', "text/html"), "EC2"),
    "google": (http("403 Forbidden", b"Missing Metadata-Flavor:Google header.", "text/html"), "Google Cloud"),
    "ec2 that requires a token": (http("401 Unauthorized", b""), "unexpected-status"),
    "a redirect": (http("302 Found", b""), "redirected"),
    "a list": (http("200 OK", b'["1.0","latest"]'), "not-imds"),
    "an object": (http("200 OK", b'{"versions":[]}'), "not-imds"),
    "no known path": (http("404 Not Found", b"404 page not found", "text/plain"), "not-found"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "not-imds"),
}


@pytest.mark.parametrize(("response", "shown"), FOREIGN.values(), ids=FOREIGN.keys())
def test_other_program_is_not_the_service(listen: Listen, response: bytes, shown: str) -> None:
    evidence = evidence_of(listen, response)
    assert (evidence.outcome("address"), evidence.outcome("shape"), evidence.conclusion) == ("yes", "no", "unlikely")
    assert shown in seen(evidence, "shape")


def test_recognises_the_challenge_of_azure_arc(listen: Listen) -> None:
    head = b"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic realm=/var/opt/azcmagent/tokens/1.key\r\nContent-Length: 0\r\n\r\n"
    evidence = evidence_of(listen, head)
    assert (evidence.outcome("shape"), evidence.conclusion) == ("no", "unlikely")
    assert "Azure Arc" in seen(evidence, "shape")


def test_recorded_azure_arc_document_is_not_azure(listen: Listen, shared: Path) -> None:
    document = (shared / "cases" / "bodies" / "w03-arc-instance-2020-06-01.json").read_bytes()
    evidence = detect(Client(listen(in_turn(NOT_FOUND, http("200 OK", document))).url, retry=None), root="/nonexistent")
    assert (evidence.outcome("shape"), evidence.conclusion) == ("no", "unlikely")
    assert "Azure Arc" in seen(evidence, "shape")


def test_azure_arc_outweighs_the_firmware(listen: Listen, root: Callable[[bytes | None], Path]) -> None:
    """Combine responses of Azure Arc with Azure's asset tag. Machines of Azure Stack outside of
    Azure have both."""
    evidence = detect(Client(listen(in_turn(NOT_FOUND, http("200 OK", ARC))).url, retry=None), root=root(CHASSIS_TAG.encode()))
    assert (evidence.outcome("chassis"), evidence.outcome("shape"), evidence.conclusion) == ("yes", "no", "unlikely")


PASSING = {
    "throttled": "429 Too Many",
    "gone": "410 Gone",
    "server-error": "503 Unavailable",
    "unexpected-status": "408 Request Timeout",
}


@pytest.mark.parametrize(("code", "status"), PASSING.items(), ids=PASSING.keys())
def test_transient_failure_does_not_identify_the_program(listen: Listen, code: str, status: str) -> None:
    evidence = evidence_of(listen, http(status, b""))
    assert (evidence.outcome("address"), evidence.outcome("shape"), evidence.conclusion) == ("yes", "unknown", "unknown")
    assert code in seen(evidence, "shape")


def in_turn(*responses: bytes) -> Callable[[Any], None]:
    """Return a function for ``listen`` that sends the next of these responses on each
    connection."""
    left = iter(responses)
    return lambda connection: connection.sendall(next(left))


LIST = http("200 OK", b'{"apiVersions":["2017-04-02"]}')
NOT_FOUND = http("404 Not Found", b'{"error":"Not found"}')
ARC = (
    b'{"compute":{"vmId":"1","provider":"","publicKeys":null,"resourceId":"/subscriptions/s/resourceGroups/onprem/providers/'
    b'Microsoft.HybridCompute/machines/arc-01"},"network":{}}'
)
PAIRS: dict[str, tuple[bytes, bytes, Outcome]] = {
    "a host before 2020 has no list": (NOT_FOUND, http("200 OK", b'{"compute":{"vmId":"1"}}'), "yes"),
    "a list, then status 410": (LIST, http("410 Gone", b""), "unknown"),
    "a list, then a timeout": (LIST, http("408 Request Timeout", b""), "unknown"),
    "a list, then a page": (LIST, http("200 OK", b"<html>"), "no"),
    "a list, then other JSON": (LIST, http("200 OK", b'{"instance-id":"i-1"}'), "no"),
    "a list, then an array": (LIST, http("200 OK", b"[]"), "no"),
    "the agent of Azure Arc": (NOT_FOUND, http("200 OK", b'{"compute":{"vmId":"1","provider":"Microsoft.HybridCompute"}}'), "no"),
    "a document of Azure Arc": (NOT_FOUND, http("200 OK", ARC), "no"),
    "a lower-case document of Azure Arc": (LIST, http("200 OK", ARC.replace(b"HybridCompute", b"hybridcompute")), "no"),
    "compute that is text": (LIST, http("200 OK", b'{"compute":"x"}'), "no"),
}


@pytest.mark.parametrize(("versions", "instance", "outcome"), PAIRS.values(), ids=PAIRS.keys())
def test_shape_needs_version_list_and_instance_document(listen: Listen, versions: bytes, instance: bytes, outcome: Outcome) -> None:
    evidence = detect(Client(listen(in_turn(versions, instance)).url, retry=None), root="/nonexistent")
    assert evidence.outcome("shape") == outcome


def test_old_host_is_queried_at_the_first_version(listen: Listen) -> None:
    too_old = http("400 Bad Request", b'{"error":"Bad request. api-version is invalid","newest-versions":["2018-10-01"]}')
    listener = listen(in_turn(NOT_FOUND, too_old, http("200 OK", b'{"compute":{"vmId":"1"}}')))
    evidence = detect(Client(listener.url, retry=None), root="/nonexistent")
    assert (evidence.outcome("shape"), evidence.vm_id) == ("yes", "1")
    assert b"api-version=2017-04-02" in listener.heads[-1]


def prover(emulator: Emulator) -> Callable[[bytes, str], str]:
    verifier = Verifier(Trust.from_pem([emulator.trust_pem.encode()]), Policy.offline_audit())
    return lambda document, nonce: verifier.verify(document, nonce=nonce).claims.vm_id


def test_signed_document_is_proof(emulator: Emulator) -> None:
    evidence = detect(Client(emulator.url), root="/nonexistent", prove=prover(emulator))
    assert (evidence.outcome("attested"), evidence.conclusion) == ("yes", "proved")
    assert evidence.vm_id is not None
    assert evidence.vm_id in seen(evidence, "attested")
    assert "Azure" not in seen(evidence, "attested")  # the caller did not say whose documents the function accepts
    evidence = detect(Client(emulator.url), root="/nonexistent", prove=prover(emulator), signer="Contoso")
    assert seen(evidence, "attested").startswith("Contoso signed")


def test_nonce_is_new_each_time(emulator: Emulator) -> None:
    nonces: list[str] = []

    def note(_: bytes, nonce: str) -> str:
        nonces.append(nonce)
        return ""

    for _ in range(3):
        detect(Client(emulator.url), root="/nonexistent", prove=note)
    assert len(set(nonces)) == 3
    assert all(len(nonce) == 10 and nonce.isdigit() for nonce in nonces)


@pytest.mark.parametrize("root_of", [True, False], ids=["firmware of Azure", "unknown firmware"])
def test_document_with_invalid_signature_is_evidence_against_azure(
    emulator: Emulator, root: Callable[[bytes | None], Path], root_of: bool
) -> None:
    def refuse(_: bytes, __: str) -> str:
        raise VerificationError(Reason.BAD_SIGNATURE)

    evidence = detect(Client(emulator.url), root=root(CHASSIS_TAG.encode() if root_of else None), prove=refuse)
    assert (evidence.outcome("attested"), evidence.conclusion) == ("no", "unlikely")


def test_document_of_another_machine_is_no_proof(emulator: Emulator) -> None:
    evidence = detect(Client(emulator.url), root="/nonexistent", prove=lambda _document, _nonce: "00000000-0000-0000-0000-000000000000")
    assert (evidence.outcome("attested"), evidence.conclusion) == ("no", "unlikely")


def test_document_with_unknown_issuer_is_no_evidence(emulator: Emulator) -> None:
    def refuse(_: bytes, __: str) -> str:
        raise VerificationError(Reason.UNKNOWN_ISSUER)

    evidence = detect(Client(emulator.url), root="/nonexistent", prove=refuse)
    assert (evidence.outcome("attested"), evidence.conclusion) == ("unknown", "likely")


def test_no_document_is_requested_from_other_programs(listen: Listen) -> None:
    listener = listen(http("200 OK", b"[]"))
    evidence = detect(Client(listener.url, retry=None), root="/nonexistent", prove=lambda _document, _nonce: "x")
    assert evidence.outcome("attested") == "unknown"
    assert listener.connections == 1


ANY = ("yes", "no", "unknown")


@pytest.mark.parametrize("chassis", ANY)
def test_every_outcome_has_a_conclusion(chassis: Outcome) -> None:
    for reached, shape, attested in itertools.product(get_args(Outcome), repeat=3):
        found = conclude({"chassis": chassis, "address": reached, "shape": shape, "attested": attested})
        assert found in get_args(Conclusion)
        assert (found == "proved") == (attested == "yes")


CONCLUSIONS: dict[str, tuple[dict[str, Outcome], Conclusion]] = {
    "a container on Azure without access to the service": ({"chassis": "yes", "address": "no"}, "likely"),
    "a slow service": ({"chassis": "yes", "address": "unknown"}, "likely"),
    "a proxy in front of the service": ({"chassis": "yes", "address": "yes", "shape": "no"}, "likely"),
    "an emulator on a developer machine": ({"chassis": "no", "address": "yes", "shape": "yes"}, "unknown"),
    "a machine of another cloud": ({"chassis": "no", "address": "yes", "shape": "no"}, "unlikely"),
    "a developer machine": ({"chassis": "no", "address": "unknown"}, "unlikely"),
    "a container elsewhere": ({"chassis": "unknown", "address": "no"}, "unknown"),
    "a machine without firmware tables": ({"chassis": "unknown", "address": "yes", "shape": "yes"}, "likely"),
}


@pytest.mark.parametrize(("outcomes", "conclusion"), CONCLUSIONS.values(), ids=CONCLUSIONS.keys())
def test_conclusion_follows_from_the_outcomes(outcomes: dict[str, Outcome], conclusion: Conclusion) -> None:
    assert conclude(outcomes) == conclusion


def test_evidence_is_json_and_names_the_source_of_each_rule(emulator: Emulator) -> None:
    found = json.loads(json.dumps(detect(Client(emulator.url), root="/nonexistent", prove=prover(emulator)).to_json()))
    assert [step["name"] for step in found["steps"]] == list(SOURCES)
    assert all(step["source"] and step["seen"].endswith(".") for step in found["steps"])


def test_detection_imports_no_cryptography() -> None:
    package = Path(__file__).parents[2] / "python"
    program = f"import sys; sys.path.insert(0, {str(package)!r}); import imdskit.client.detect; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    loaded = set(done.stdout.split())
    assert "imdskit.client.detect" in loaded
    assert not loaded & {"imdskit.verify", "imdskit.asn1", "imdskit.backends", "hashlib", "dataclasses", "secrets", "socket"}
