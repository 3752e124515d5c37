"""The caches of a checker change no verdict, whatever the content, the signer and the length of a
message are, and whichever byte of a cached message has changed."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from time import process_time

import pytest

from imdskit.asn1 import writer as der
from imdskit.asn1.reader import SET, Reader
from imdskit.backends.contract import Backend, Checker, Setup
from imdskit.backends.python import message_templates
from imdskit.backends.python.message_templates import TemplateCache
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.emulator.authority.authority import Signer
from imdskit.emulator.authority.keys import Keys
from imdskit.errors import VerificationError
from imdskit.pki import cms
from imdskit.protocol import attested

AT = 1_790_000_000
NONCES = ("1111111111", "2222222222")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=29)


@pytest.fixture(scope="module")
def setup(authority: Authority) -> Setup:
    return Setup((authority.root,), (authority.issuing,), (("public", "metadata.azure.com"),))


def content(nonce: str) -> bytes:
    return attested.content({"vmId": f"machine {nonce[0]}"}, "2021-02-01", AT, nonce)


@pytest.fixture(scope="module")
def messages(authority: Authority) -> list[bytes]:
    """Return two messages of the same length and signer."""
    return [signed_document.message(authority.signer(), content(nonce)) for nonce in NONCES]


def outcome(checker: Checker, message: bytes) -> str:
    try:
        signed = checker.check(message, AT, None)
    except VerificationError as error:
        return f"{error.code} at {error.location}: {error.detail}"
    return signed.claims.vm_id + " " + signed.content.decode()


def verdict(backend: Backend, setup: Setup, message: bytes, *before: bytes) -> str:
    """Return the verdict of a new checker that has first accepted the messages in ``before``."""
    checker = backend.checker(setup)
    for each in before:
        checker.check(each, AT, None)
    return outcome(checker, message)


def test_message_matching_a_template_gets_its_own_content(backend: Backend, setup: Setup, messages: list[bytes]) -> None:
    one, other = messages
    assert len(one) == len(other)
    assert verdict(backend, setup, other, one, one) == verdict(backend, setup, other) == f"machine 2 {content(NONCES[1]).decode()}"


def test_rejects_content_and_signature_of_different_messages(backend: Backend, setup: Setup, messages: list[bytes]) -> None:
    one, other = messages
    mixed = one.replace(content(NONCES[0]), content(NONCES[1]))
    assert mixed != one
    assert verdict(backend, setup, mixed, one, other).startswith("bad-signature at signedData.signerInfos[0].signature")


def test_every_byte_of_a_cached_message_still_matters(backend: Backend, setup: Setup, messages: list[bytes]) -> None:
    one = messages[0]
    warm = backend.checker(setup)
    start = one.index(content(NONCES[0]))
    positions = (*range(start), *range(start + len(content(NONCES[0])), len(one) - 256))
    refused = 0
    for position in positions:
        changed = one[:position] + bytes((one[position] ^ 1,)) + one[position + 1 :]
        warm.check(one, AT, None)  # the checker caches the message that it accepted last
        compared = [outcome(checker, changed) for checker in (backend.checker(setup), warm)]
        assert compared[0] == compared[1]
        refused += " at " in compared[0]
    assert refused > 0.99 * len(positions)


@pytest.mark.parametrize("form", [base64.b64encode, attested.envelope], ids=["base64", "JSON"])
def test_base64_matching_a_template_gets_its_own_content(
    backend: Backend, setup: Setup, messages: list[bytes], form: Callable[[bytes], bytes]
) -> None:
    one, other = messages
    warm = backend.checker(setup)
    for message in (one, other, one):
        assert outcome(warm, form(message)) == verdict(backend, setup, message)
    mixed = one.replace(content(NONCES[0]), content(NONCES[1]))
    assert outcome(warm, form(mixed)).startswith("bad-signature at")


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_every_character_of_a_cached_message_still_matters(backend: Backend, setup: Setup, authority: Authority, extra: int) -> None:
    """The base64 ends with a complete group or with one of the two kinds of padding. Some changes
    insert white space, or remove or append characters at the end."""
    body = attested.content({"vmId": "machine" + "x" * extra}, "2021-02-01", AT, "1")
    message = signed_document.message(authority.signer(), body)
    text = base64.b64encode(message)
    start = message.index(body)
    edges = {position * 4 // 3 for position in (0, start, start + len(body), len(message) - 256, len(message))}
    positions = {position + near for position in edges for near in range(-9, 10)} | set(range(0, len(text), 41))
    changed = [text[:-1], text[:-4], text + b"=", text + b"====", text + text[:4], text + b"\n", text + b"AAAA"]
    for position in sorted(positions & set(range(len(text)))):
        before, here, after = text[:position], text[position : position + 1], text[position + 1 :]
        changed += [before + each + after for each in (b"A", b"B", b"=", b" ", b"-", b"\x00", here + b"\n", b"") if each != here]
    warm = backend.checker(setup)
    refused = 0
    for each in changed:
        warm.check(text, AT, None)
        compared = [outcome(checker, each) for checker in (backend.checker(setup), warm)]
        assert compared[0] == compared[1]
        refused += " at " in compared[0]
    assert refused > 0.8 * len(changed)


def test_bytes_after_the_signature_still_matter(backend: Backend, setup: Setup, messages: list[bytes]) -> None:
    """The changed message has the same length. Its signature is shorter, and its last bytes are an unsigned attribute."""
    one = messages[0]
    attribute = der.implicit(1, der.sequence(der.oid("1.2.3"), der.set_of(der.null())))
    attribute = bytes((0xA1,)) + attribute[1:]
    position = len(one) - 256 - 4
    assert one[position : position + 4] == b"\x04\x82\x01\x00"
    size = 256 - len(attribute)
    short = der.octet_string(one[-256 : -256 + size])
    changed = one[:position] + short + attribute
    changed += bytes(len(one) - len(changed))
    assert verdict(backend, setup, changed, one) == verdict(backend, setup, changed)
    assert verdict(backend, setup, changed).split()[0] in ("bad-der", "bad-signature")


def with_attribute(message: bytes, value: bytes) -> bytes:
    """Return the message with an unsigned attribute."""
    info = Reader(message).sequence()
    kind = info.element()
    data = info.enter(0xA0).sequence()
    start = data.pos
    for _ in ("version", "digestAlgorithms", "encapContentInfo", "certificates"):
        data.element()
    before = message[start : data.pos]
    signer = data.enter(SET).sequence()
    attribute = der.element(0xA1, der.sequence(der.oid("1.2.3"), der.set_of(der.octet_string(value))))
    infos = der.set_of(der.sequence(message[signer.pos : signer.stop], attribute))
    return der.sequence(kind, der.explicit(0, der.sequence(before, infos)))


def test_unsigned_attribute_is_not_taken_from_a_cached_message(backend: Backend, setup: Setup, messages: list[bytes]) -> None:
    first, second = (with_attribute(messages[0], value) for value in (b"one", b"two"))
    assert len(first) == len(second)
    broken = second[:-5] + b"\x05" + second[-4:]  # replaces the tag of the value of the attribute
    for message in (first, second, broken):
        assert verdict(backend, setup, message, first) == verdict(backend, setup, message)
    assert verdict(backend, setup, second, first).startswith("machine 1 ")
    assert verdict(backend, setup, broken, first).startswith("bad-der")


def test_more_lengths_than_fit_the_cache_change_no_verdict(
    backend: Backend, setup: Setup, authority: Authority, messages: list[bytes]
) -> None:
    checker = backend.checker(setup)
    signer = authority.signer()
    others = [signed_document.message(signer, attested.content({"vmId": "x" * size}, "2021-02-01", AT, "1")) for size in range(1, 70)]
    for _ in range(2):
        for message in (*others, *messages):
            assert checker.check(message, AT, None).content in message


@pytest.fixture(scope="module")
def signers() -> list[Signer]:
    """Return signers of one authority. They share one key, because generating a key is slow."""
    authority = Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=29)
    key = Keys().ring(29).key("leaf")
    authority._key = lambda purpose: key  # type: ignore[method-assign]
    return [authority.signer(region=f"region{number:02}") for number in range(10)]


def body(number: int, length: int) -> bytes:
    return attested.content({"vmId": f"{number:04}" + "x" * length}, "2021-02-01", AT, "1")


def compared(verdict: object) -> str:
    if isinstance(verdict, VerificationError):
        return f"{verdict.code} at {verdict.location}"
    return repr((verdict.content, verdict.claims, verdict.name, verdict.chain))  # type: ignore[attr-defined]


def checked(checker: Checker, document: bytes) -> str:
    try:
        return compared(checker.check(document, AT, None))
    except VerificationError as error:
        return compared(error)


def test_verdicts_agree_cold_warm_and_in_batches_for_many_signers(backend: Backend, setup: Setup, signers: list[Signer]) -> None:
    documents = []
    for number, signer in enumerate(signers):
        for length in range(5):
            message = signed_document.message(signer, body(number, length))
            # The forged message has other content of the same length. It matches the template, but
            # its signature is wrong.
            forged = message.replace(body(number, length), body(number + 1, length))
            stranger = message.replace(signer.certificate, signers[number - 1].certificate)
            documents += [message, base64.b64encode(message), attested.envelope(message), base64.b64encode(forged), stranger]
    cold = [checked(backend.checker(setup), document) for document in documents]
    accepted = sum(" at " not in each for each in cold)
    assert accepted == 3 * len(documents) // 5
    order = list(range(len(documents)))
    warm = backend.checker(setup)
    for seed in range(3):
        random.Random(seed).shuffle(order)
        assert [checked(warm, documents[position]) for position in order] == [cold[position] for position in order]
        for checker in (backend.checker(setup), warm):
            for threads in (1, 2):
                verdicts = checker.check_many([documents[position] for position in order], AT, threads)
                assert [compared(verdict) for verdict in verdicts] == [cold[position] for position in order]


@pytest.mark.parametrize("position", [0, 1, 64, 127])
@pytest.mark.parametrize("times", [AT, AT + 90 * 86400], ids=["accepted", "expired"])
def test_first_batch_of_a_new_signer_gives_the_verdicts_of_single_checks(
    backend: Backend, setup: Setup, signers: list[Signer], position: int, times: int
) -> None:
    message = base64.b64encode(signed_document.message(signers[0], body(0, 0)))
    forged = base64.b64encode(base64.b64decode(message).replace(body(0, 0), body(1, 0)))
    documents = [message] * 128
    documents[position] = forged
    verdicts = backend.checker(setup).check_many(documents, times, 1)
    codes = [verdict.code if isinstance(verdict, VerificationError) else "" for verdict in verdicts]
    expected = ["" if times == AT else "document-expired"] * 128
    expected[position] = "bad-signature"
    assert codes == expected


def seconds(work: Callable[[], object]) -> float:
    """Return the minimum processor time of several runs."""
    found = []
    for _ in range(7):
        start = process_time()
        work()
        found.append(process_time() - start)
    return min(found)


def test_first_batch_of_a_new_signer_takes_about_as_long_as_the_next(backend: Backend, setup: Setup, signers: list[Signer]) -> None:
    """Only the first document of the batch is parsed, and only its path is validated."""
    documents = [base64.b64encode(signed_document.message(signers[0], body(0, 0)))] * (128 if backend.name == "rust" else 32)
    warm = backend.checker(setup)
    warm.check_many(documents, AT, 1)
    first = seconds(lambda: backend.checker(setup).check_many(documents, AT, 1))
    assert first < 2 * seconds(lambda: warm.check_many(documents, AT, 1))


def test_templates_of_one_signer_do_not_evict_those_of_others(monkeypatch: pytest.MonkeyPatch, signers: list[Signer]) -> None:
    monkeypatch.setattr(message_templates, "MAX_BYTES", 200_000)
    monkeypatch.setattr(message_templates, "MAX_BYTES_OF_SIGNER", 50_000)
    cache = TemplateCache()

    def add(signer: Signer, length: int) -> bytes:
        message = signed_document.message(signer, body(0, length))
        cache.add(message, cms.parse(message), signer.certificate)
        return message

    kept = add(signers[0], 0)
    for length in range(40):
        add(signers[1], length)
        assert sum(template.size for template in cache._templates.values()) == cache._bytes <= 200_000
        assert cache._bytes_of[signers[1].certificate] <= 50_000
    assert cache.read(kept) is not None
    for signer in signers[1:]:
        for length in range(8):
            last = add(signer, length)
            add(signer, length)
            assert cache._bytes <= 200_000
    assert cache.read(kept) is None
    assert cache.read(last) is not None
    assert cache.decode(base64.b64encode(last)) == last
    assert sum(cache._bytes_of.values()) == cache._bytes


def test_does_not_cache_unsigned_attributes(setup: Setup, signers: list[Signer]) -> None:
    """Anybody can add unsigned attributes to a genuine message and could otherwise fill the cache."""
    cache = TemplateCache()
    message = signed_document.message(signers[0], body(0, 0))
    changed = with_attribute(message, b"anything")
    cache.add(changed, cms.parse(changed), signers[0].certificate)
    assert cache._bytes == 0
    cache.add(message, cms.parse(message), signers[0].certificate)
    assert cache._bytes > 0


def test_number_of_cached_signature_sizes_is_limited(monkeypatch: pytest.MonkeyPatch, signers: list[Signer]) -> None:
    monkeypatch.setattr(message_templates, "MAX_SIGNATURE_SIZES", 0)
    cache = TemplateCache()
    message = signed_document.message(signers[0], body(0, 0))
    cache.add(message, cms.parse(message), signers[0].certificate)
    assert cache.read(message) is None
