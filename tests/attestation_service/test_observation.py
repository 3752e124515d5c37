"""Tests of the audit log and the metrics."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imdskit.attestation_service.audit_log import AuditLog, Entry, line
from imdskit.attestation_service.metrics import BUCKETS, FAMILIES, Metrics, _escape
from imdskit.clock import ManualClock
from imdskit.errors import UsageError

from .conftest import Service

HOSTILE = "a\x00\x1b[31m\r\n\x7f\x85\u202e\u2028\ud800 \u00e9"


def test_audit_line_has_no_control_characters_even_when_decoded() -> None:
    text = line(Entry("attestation", "refused", "k", "d", detail=HOSTILE, vm_id=HOSTILE), 0)
    assert text.isascii() and text.endswith("}\n") and text.count("\n") == 1
    decoded = json.loads(text)
    assert decoded["time"] == "1970-01-01T00:00:00Z"
    assert decoded["detail"] == decoded["vmId"] == "a\ufffd\ufffd[31m" + "\ufffd" * 7 + " \u00e9"
    assert all(character.isprintable() for value in decoded.values() for character in value)


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600"], ids=["x", "NUL", "emoji"])
def test_audit_line_has_a_maximum_length(character: str) -> None:
    text = line(Entry(*[character * 100_000] * 11), 0)
    assert len(text) < 32_000
    assert all(len(value) <= 200 for value in json.loads(text).values())


def test_text_of_maximum_length_is_not_shortened() -> None:
    assert json.loads(line(Entry("a", "r", "k", "d", detail="x" * 200), 0))["detail"] == "x" * 200
    assert json.loads(line(Entry("a", "r", "k", "d", detail="x" * 201), 0))["detail"] == "x" * 199 + "\u2026"


def test_lines_of_threads_and_processes_are_not_interleaved(tmp_path: Path) -> None:
    logs = [AuditLog(str(tmp_path / "log")) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: logs[n % 4].write(Entry("a", "r", str(n), "d", detail="x" * 200), n), range(400)))
    for log in logs:
        log.close()
    assert sorted(int(json.loads(text)["key"]) for text in (tmp_path / "log").read_text().splitlines()) == list(range(400))


def test_rotated_audit_log_is_recreated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AuditLog(str(path))
    log.write(Entry("a", "r", "1", "d"), 0)
    path.rename(tmp_path / "log.1")
    log.write(Entry("a", "r", "2", "d"), 1)
    os.replace(path, tmp_path / "log.2")
    path.write_text("")
    log.write(Entry("a", "r", "3", "d"), 2)
    log.close()
    log.write(Entry("a", "r", "4", "d"), 2)
    log.close()
    assert ['"key": "1"' in (tmp_path / "log.1").read_text(), '"key": "2"' in (tmp_path / "log.2").read_text()] == [True, True]
    assert [json.loads(text)["key"] for text in path.read_text().splitlines()] == ["3", "4"]


def test_audit_log_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`audit_log`"):
        AuditLog(str(tmp_path / "absent" / "log"))


def test_audit_log_defaults_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    AuditLog("-").write(Entry("a", "r", "k", "d"), 0)
    assert json.loads(capsys.readouterr().err)["key"] == "k"


# Metrics

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} ([0-9.e+-]+)")


def samples(text: str) -> dict[str, list[tuple[str, float]]]:
    """Check the grammar of the Prometheus text format, version 0.0.4. Return (labels, value) pairs
    by metric family."""
    assert text.endswith("\n")
    found: dict[str, list[tuple[str, float]]] = {}
    family = ""
    for text_line in text.splitlines():
        if text_line.startswith("# HELP "):
            family = text_line.split()[2]
            assert family not in found
            found[family] = []
        elif text_line.startswith("# TYPE "):
            assert text_line.split()[2:] == [family, FAMILIES[family].kind]
            assert not found[family]
        else:
            match = SAMPLE.fullmatch(text_line)
            assert match is not None, text_line
            assert re.fullmatch(rf"{family}(_bucket|_sum|_count)?", match[1])
            found[family].append((match[2], float(match[3])))
    return found


def test_metrics_follow_the_prometheus_text_format(service: Service) -> None:
    nonce = service.nonce()
    service.attest(nonce, service.document(nonce))
    service.attest(nonce, "MII=")
    response = service.call("GET", "/metrics", key="operator")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(response.body.decode())
    assert list(found) == list(FAMILIES)
    process = f'process="{os.getpid()}"'
    assert found["imdskit_decisions_total"] == [
        (f'operation="attestation",decision="accepted",reason="",cloud="public",{process}', 1),
        (f'operation="attestation",decision="refused",reason="bad-der",cloud="",{process}', 1),
    ]
    assert found["imdskit_nonces_total"] == [(process, 1)]


def test_decisions_are_counted_by_reason(service: Service) -> None:
    nonce = service.nonce()
    document = service.document(nonce)
    service.configure(trust_anchors=None)  # The service then trusts Azure's roots, which did not certify the test authority.
    for _ in range(3):
        assert service.attest(nonce, document).status == 403
    assert service.metric("imdskit_decisions_total", reason="unknown-issuer") == 3
    assert service.metric("imdskit_unknown_issuers_total") == 3


def test_bundle_age_is_computed_from_its_date(service: Service, clock: ManualClock) -> None:
    assert service.metric("imdskit_trust_bundle_age_seconds") == 0
    service.configure(trust_anchors=None)
    age = service.metric("imdskit_trust_bundle_age_seconds")
    clock.advance(86_400)
    assert service.metric("imdskit_trust_bundle_age_seconds") == (age + 86_400 if age else 0)


def test_number_of_time_series_is_bounded(service: Service) -> None:
    before = len(service.call("GET", "/metrics", key="metrics").body.splitlines())
    for number in range(50):
        service.call("GET", f"/nothing/{number}")
        service.call("GET", "/healthz", HTTP_X_THING=str(number))
        service.call("POST", "/v1/challenges", key=f"imdskit_{number}")
    after = len(service.call("GET", "/metrics", key="metrics").body.splitlines())
    assert after - before <= 5 + 4 * (len(BUCKETS) + 3)


def test_latencies_are_cumulative() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.003, 99.0):
        metrics.request("x", 200, seconds)
    found = samples(metrics.text({}))["imdskit_request_seconds"]
    counts = [value for labels, value in found if "le=" in labels]
    assert counts == [2, 2] + [3] * (len(BUCKETS) - 2) + [4]
    assert [value for labels, value in found if "le=" not in labels] == [pytest.approx(99.0045), 4]


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.count("imdskit_nonces_total", odd='a"b\\c\nd')
    assert r'odd="a\"b\\c\nd"' in metrics.text({})
    assert _escape('help "x" \\ \n') == r'help "x" \\ \n'
