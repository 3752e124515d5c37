"""What stands around the content and the signature of a message.

Both are OCTET STRINGs, and nothing of a message is read in the light of what is in them. So a message that equals another one octet for octet,
except inside of these two, is read alike; and documents of one signer nearly all do (decision 0014). Nor need the rest be decoded: there is one way to
write octets in base64, so a text that is as it was says what it said.
"""

from __future__ import annotations

from binascii import Error, b2a_base64
from typing import NamedTuple

from imdskit.backends.envelope import decode_strictly, decoded_size
from imdskit.pki.cms import SignedData


class Frame(NamedTuple):
    """Of a message with content and one signer without signed attributes.

    Attributes:
        before, between, after: what stands before the content, between it and the signature, and after that.
        content, signature: their places.
        message: the whole, as it was read.
        characters: places in base64 of the groups, of three octets or four characters each, that hold content and signature.
        texts: what stands in base64 before these groups, between and after.
        octets: the DER of these three.
    """

    before: bytes
    between: bytes
    after: bytes
    content: slice
    signature: slice
    message: SignedData
    characters: tuple[slice, slice]
    texts: tuple[bytes, bytes, bytes]
    octets: tuple[bytes, bytes, bytes]

    @classmethod
    def of(cls, der: bytes, message: SignedData) -> Frame:
        """The frame of ``der``, of which ``message`` was read. The content comes first, as in every message (RFC 5652 section 5.1)."""
        [signer] = message.signers
        content = slice(message.content_start, message.content_start + len(message.content or b""))
        signature = slice(signer.signature_start, signer.signature_start + len(signer.signature))
        first, second = (range(place.start // 3, -(-place.stop // 3)) for place in (content, signature))
        characters = slice(4 * first.start, 4 * first.stop), slice(4 * second.start, 4 * second.stop)
        return cls(
            *_around(der, content, signature),
            content,
            signature,
            message,
            characters,
            _around(b2a_base64(der, newline=False), *characters),
            _around(der, slice(3 * first.start, 3 * first.stop), slice(3 * second.start, 3 * second.stop)),
        )

    def decode(self, text: bytes) -> bytes | None:
        """The message whose base64 is ``text``, or None if it differs outside of the two groups. Inside of them it may differ anywhere."""
        content, signature = self.characters
        before, between, after = self.texts
        if text[content.stop : signature.start] != between or not text.startswith(before) or text[signature.stop :] != after:
            return None
        try:
            parts = decode_strictly(text[content]), decode_strictly(text[signature])
        except Error:
            return None
        before, between, after = self.octets
        der = b"".join((before, parts[0], between, parts[1], after))
        # Padding in the midst of a text would have made one of the parts shorter.
        return der if len(der) == decoded_size(text) else None

    def read(self, der: bytes) -> SignedData | None:
        """The message in ``der``, or None if the frame is not its own. ``der`` is as long as the message that the frame is of."""
        if der[self.content.stop : self.signature.start] != self.between or not der.startswith(self.before):
            return None
        if der[self.signature.stop :] != self.after:
            return None
        signer = self.message.signers[0]._replace(signature=der[self.signature])
        return self.message._replace(content=der[self.content], signers=(signer,))


def _around(data: bytes, first: slice, second: slice) -> tuple[bytes, bytes, bytes]:
    return data[: first.start], data[first.stop : second.start], data[second.stop :]
