"""Message templates, which save the parsing of similar messages.

A template is an accepted message in parsed form. If a later message differs from it only in content
and signature, the later message need not be parsed. The parser never looks inside the two OCTET
STRINGs with content and signature, so everything else in the two messages has the same parsed form.
The documents of one signer nearly always differ only in content and signature.

The parts that two messages have in common need not even be decoded from base64. The base64 texts
can be compared instead, because a sequence of bytes has only one base64 text. Decisions 0014 and
0046 describe the savings and the limits of the cache.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import NamedTuple

from imdskit.backends.envelope import decode_strictly, decoded_size
from imdskit.pki.cms import SignedData

MAX_BYTES = 16 << 20
"""Approximate maximum size in bytes of all templates of a cache."""
MAX_BYTES_OF_SIGNER = MAX_BYTES // 4
"""Approximate maximum size in bytes of the templates of one signer. Because of this limit, one
signer cannot evict the templates of all other signers."""
MAX_SIGNATURE_SIZES = 16
"""Maximum number of different sizes of signatures in a cache. Each size costs one lookup per
message. With the usual sizes of keys, RSA and ECDSA signatures have about twelve different
sizes."""
SAMPLE = 128
"""Number of bytes before the signature that are part of the key of a template in the cache. These
bytes contain the serial number of the signer's certificate."""


class Template(NamedTuple):
    """Template that was made from an accepted message.

    The accepted message has exactly one signer and no signed attributes, and its content is not
    detached. The signature is the last part of the message.

    Attributes:
        before: the bytes before the content.
        between: the bytes between content and signature.
        content: the slice of the message that contains the content.
        signature: the slice of the message that contains the signature.
        message: the parsed message.
        characters: the two slices of the base64 text that contain content and signature. They begin
            and end at the boundaries of groups of four characters, so they may also encode a few
            bytes before and after content and signature.
        texts: the base64 text before the first of these two slices, and the base64 text between
            them.
        ders: the bytes that the two ``texts`` encode.
        signer: the DER of the signer's certificate.
        size: approximate size of the template in bytes.
    """

    before: bytes
    between: bytes
    content: slice
    signature: slice
    message: SignedData
    characters: tuple[slice, slice]
    texts: tuple[bytes, bytes]
    ders: tuple[bytes, bytes]
    signer: bytes
    size: int

    @classmethod
    def of(cls, der: bytes, message: SignedData, signer: bytes) -> Template:
        """Return the template of the message ``der``, whose parsed form is ``message``. The content
        always precedes the signature (RFC 5652 section 5.1)."""
        [info] = message.signers
        content = slice(message.content_start, message.content_start + len(message.content or b""))
        signature = slice(info.signature_start, len(der))
        first, second = (range(part.start // 3, -(-part.stop // 3)) for part in (content, signature))
        characters = slice(4 * first.start, 4 * first.stop), slice(4 * second.start, 4 * second.stop)
        return cls(
            *_around(der, content, signature),
            content,
            signature,
            message,
            characters,
            _around(b2a_base64(der, newline=False), *characters),
            _around(der, slice(3 * first.start, 3 * first.stop), slice(3 * second.start, 3 * second.stop)),
            signer,
            4 * len(der),
        )

    def decode(self, text: bytes) -> bytes | None:
        """Return the message whose base64 is ``text``. Return None if the text differs from the
        template outside of the two slices ``characters``, or is not base64."""
        content, signature = self.characters
        before, between = self.texts
        if text[content.stop : signature.start] != between or not text.startswith(before):
            return None
        try:
            parts = decode_strictly(text[content]), decode_strictly(text[signature.start :])
        except Error:
            return None
        der = b"".join((self.ders[0], parts[0], self.ders[1], parts[1]))
        # Padding in the middle of the text is not valid base64. It would make one of the two parts
        # shorter.
        return der if len(der) == decoded_size(text) else None

    def read(self, der: bytes) -> SignedData | None:
        """Return the parsed message ``der``, or None if it differs from the template outside of
        content and signature. ``der`` must be as long as the message of the template."""
        if der[self.content.stop : self.signature.start] != self.between or not der.startswith(self.before):
            return None
        info = self.message.signers[0]._replace(signature=der[self.signature.start :])
        return self.message._replace(content=der[self.content], signers=(info,))


def _around(data: bytes, first: slice, second: slice) -> tuple[bytes, bytes]:
    return data[: first.start], data[first.stop : second.start]


_Key = tuple[int, bytes]
"""Key of a template in the cache: the length of the message, and the :data:`SAMPLE` bytes before
its signature. Messages with the same length, signer and size of the signature have the same key."""


class TemplateCache:
    """Cache of templates by length and signer. The oldest template is evicted first. The caller
    must prevent concurrent calls of :meth:`add` with a lock."""

    def __init__(self) -> None:
        self._templates: dict[_Key, Template] = {}
        self._signature_sizes: tuple[int, ...] = ()
        self._bytes = 0
        self._bytes_of: dict[bytes, int] = {}

    def decode(self, text: bytes) -> bytes | None:
        """Return the message whose base64 is ``text``, or None if no template matches."""
        length = decoded_size(text)
        for size in self._signature_sizes:
            template = self._templates.get((length, _sample_of_text(text, length - size)))
            if template is not None:
                return template.decode(text)
        return None

    def read(self, der: bytes) -> SignedData | None:
        """Return the parsed message ``der``, or None if no template matches."""
        for size in self._signature_sizes:
            template = self._templates.get((len(der), _sample(der, len(der) - size)))
            if template is not None:
                return template.read(der)
        return None

    def add(self, der: bytes, message: SignedData, signer: bytes) -> None:
        """Add the template of an accepted message.

        The method adds nothing if other bytes follow the signature. Such bytes are unsigned
        attributes, and anybody can add them to a genuine message. With a different attribute in
        each message, an attacker could fill the cache.

        Args:
            der: the message.
            message: the parsed message.
            signer: DER of the signer's certificate.
        """
        info = message.signers[0]
        size = len(info.signature)
        if info.signature_start + size != len(der):
            return
        if size not in self._signature_sizes:
            if len(self._signature_sizes) == MAX_SIGNATURE_SIZES:
                return
            self._signature_sizes += (size,)
        key = (len(der), _sample(der, info.signature_start))
        if key in self._templates:
            self._evict(key)
        template = self._templates[key] = Template.of(der, message, signer)
        self._bytes += template.size
        self._bytes_of[signer] = self._bytes_of.get(signer, 0) + template.size
        while self._bytes_of[signer] > MAX_BYTES_OF_SIGNER:
            self._evict(next(key for key, template in self._templates.items() if template.signer == signer))
        while self._bytes > MAX_BYTES:
            self._evict(next(iter(self._templates)))

    def _evict(self, key: _Key) -> None:
        template = self._templates.pop(key)
        self._bytes -= template.size
        self._bytes_of[template.signer] -= template.size
        if not self._bytes_of[template.signer]:
            del self._bytes_of[template.signer]


def _sample(der: bytes, end: int) -> bytes:
    return der[max(0, end - SAMPLE) : max(0, end)]


def _sample_of_text(text: bytes, end: int) -> bytes:
    """Return the same bytes as :func:`_sample`, for a message in base64. The result is arbitrary if
    the text is not base64 at this position."""
    start = max(0, end - SAMPLE)
    first, last = start // 3, -(-max(0, end) // 3)
    try:
        decoded = a2b_base64(text[4 * first : 4 * last])
    except Error:
        return b""
    return decoded[start - 3 * first : max(0, end) - 3 * first]
