"""What stands around the content and the signature of a message.

Both are OCTET STRINGs, and nothing of a message is read in the light of what is in them. So a message that equals another one octet for octet,
except inside of these two, is read alike; and documents of one signer nearly all do (decision 0014).
"""

from __future__ import annotations

from typing import NamedTuple

from imdskit.backends.python.cms import SignedData


class Frame(NamedTuple):
    """Of a message with content and one signer without signed attributes.

    Attributes:
        before, between, after: what stands before the content, between it and the signature, and after that.
        content, signature: their places.
        message: the whole, as it was read.
    """

    before: bytes
    between: bytes
    after: bytes
    content: slice
    signature: slice
    message: SignedData

    @classmethod
    def of(cls, der: bytes, message: SignedData) -> Frame:
        """The frame of ``der``, of which ``message`` was read. The content comes first, as in every message (RFC 5652 section 5.1)."""
        [signer] = message.signers
        content = slice(message.content_start, message.content_start + len(message.content or b""))
        signature = slice(signer.signature_start, signer.signature_start + len(signer.signature))
        return cls(der[: content.start], der[content.stop : signature.start], der[signature.stop :], content, signature, message)

    def read(self, der: bytes) -> SignedData | None:
        """The message in ``der``, or None if the frame is not its own. ``der`` is as long as the message that the frame is of."""
        if der[self.content.stop : self.signature.start] != self.between or not der.startswith(self.before):
            return None
        if der[self.signature.stop :] != self.after:
            return None
        signer = self.message.signers[0]._replace(signature=der[self.signature])
        return self.message._replace(content=der[self.content], signers=(signer,))
