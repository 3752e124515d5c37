//! Message templates: accepted messages with which the checker compares later messages.
//!
//! The parser never looks inside the OCTET STRINGs that hold the content and the signature, so a message that equals a template everywhere
//! else parses identically. The checker does not have to decode the equal parts from base64 either: strict base64 has one encoding of each
//! byte string, so equal text means equal bytes. Pages 0014 and 0046 of `docs/decisions` explain how much work this saves and how the size
//! of the cache is limited.

// Python counterpart: `backends/python/message_templates.py`.

use std::ops::Range;
use std::sync::Arc;

use base64_simd::{Out, STANDARD};

use crate::cache::signers::Signer;
use crate::pki::signatures::signature::Scheme;

/// Maximum total size of all message templates in bytes. A typical template takes 7 kB. The next constant limits the templates of one
/// signer.
pub(crate) const MAX_TEMPLATE_BYTES: usize = 16 << 20;
pub(crate) const MAX_TEMPLATE_BYTES_PER_SIGNER: usize = MAX_TEMPLATE_BYTES / 4;

/// Number of bytes from which the key of a template is computed. They directly precede the signature. They always contain the serial number
/// of the signer's certificate, even if long RSASSA-PSS parameters stand between it and the signature.
const SAMPLE: usize = 128;

/// A message template. The message was accepted, has no signed attributes, contains no certificate except the signer's, and ends with the
/// signature.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) message: Box<[u8]>,
    /// The message in base64.
    text: Box<[u8]>,
    pub(crate) content: Range<usize>,
    pub(crate) signature: Range<usize>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) signer: Arc<Signer>,
}

impl Template {
    /// Creates a template. `content` must come before `signature`, as in every message (RFC 5652 section 5.1).
    pub(crate) fn new(
        message: &[u8],
        content: &Range<usize>,
        signature: &Range<usize>,
        scheme: Option<Scheme>,
        signer: Arc<Signer>,
    ) -> Self {
        Self {
            message: message.into(),
            text: STANDARD.encode_type(message),
            content: content.clone(),
            signature: signature.clone(),
            scheme,
            signer,
        }
    }

    /// Returns the size of the template in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.len() + self.text.len()
    }

    /// Returns whether another message of the same length differs from the template only in its content and signature.
    pub(crate) fn fits(&self, message: &[u8]) -> bool {
        let same = |range: Range<usize>| message[range.clone()] == self.message[range];
        message.len() == self.message.len() && same(self.content.end..self.signature.start) && same(0..self.content.start)
    }

    /// Compares a message in base64 with the template. Returns its content and signature if everything else in it equals the template.
    pub(crate) fn cut(&self, text: &[u8]) -> Option<Cut> {
        let [content, signature] = [&self.content, &self.signature].map(groups);
        let same = |range: Range<usize>| text[range.clone()] == self.text[range];
        let fits = text.len() == self.text.len()
            && content.end <= signature.start
            && same(4 * content.end..4 * signature.start)
            && same(0..4 * content.start);
        if !fits {
            return None;
        }
        let mut bytes = Vec::with_capacity(3 * (content.len() + signature.len()));
        let content = self.decode(&text[4 * content.start..4 * content.end], &self.content, &mut bytes)?;
        let signature = self.decode(&text[4 * signature.start..4 * signature.end], &self.signature, &mut bytes)?;
        Some(Cut { bytes, content, signature })
    }

    /// Decodes the base64 groups that contain `range` and appends them to `bytes`. Returns the position of the range in `bytes`, or `None`
    /// if the other bytes in these groups differ from the template's.
    fn decode(&self, text: &[u8], range: &Range<usize>, bytes: &mut Vec<u8>) -> Option<Range<usize>> {
        let start = bytes.len();
        STANDARD.decode_append(text, bytes).ok()?;
        let whole = range.start / 3 * 3..self.message.len().min(range.end.div_ceil(3) * 3);
        let now = start + range.start - whole.start..start + range.end - whole.start;
        let same = bytes.len() - start == whole.len()
            && bytes[start..now.start] == self.message[whole.start..range.start]
            && bytes[now.end..] == self.message[range.end..whole.end];
        same.then_some(now)
    }
}

/// Returns the base64 groups that contain a range of a message. A group is three bytes or four characters.
fn groups(range: &Range<usize>) -> Range<usize> {
    range.start / 3..range.end.div_ceil(3)
}

/// The decoded content and signature of a message. Whole base64 groups are decoded, so up to two other bytes stand before and after each.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content: Range<usize>,
    pub(crate) signature: Range<usize>,
}

/// Returns the key of a template, which depends on the length of the message and on `sample`, the bytes before its signature. All messages
/// of one signer that have the same length have the same key. The caller compares the whole template, so a collision only costs time.
fn key_of(length: usize, sample: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |key: u64, word: u64| (key.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let words = sample.chunks_exact(8);
    let rest = words.remainder().iter().map(|octet| u64::from(*octet));
    // The conversion cannot fail, and compiles to one load.
    let words = words.map(|word| <[u8; 8]>::try_from(word).map_or(0, u64::from_le_bytes));
    words.chain(rest).fold(mix(0, length as u64), mix)
}

/// Returns the key of a message, on the assumption that it ends with a signature of this size.
pub(crate) fn key_of_message(message: &[u8], signature_size: usize) -> Option<u64> {
    let end = message.len().checked_sub(signature_size)?;
    Some(key_of(message.len(), &message[end.saturating_sub(SAMPLE)..end]))
}

/// Returns the same key as [`key_of_message`], for a message in base64 without white space.
pub(crate) fn key_of_text(text: &[u8], signature_size: usize) -> Option<u64> {
    let padding = text.iter().rev().take(2).filter(|character| **character == b'=').count();
    let length = (text.len() / 4 * 3).checked_sub(padding)?;
    let end = length.checked_sub(signature_size)?;
    let start = end.saturating_sub(SAMPLE);
    let groups = groups(&(start..end));
    let mut bytes = [0; SAMPLE + 4];
    let text = text.get(4 * groups.start..4 * groups.end)?;
    STANDARD.decode(text, Out::from_slice(bytes.get_mut(..3 * groups.len())?)).ok()?;
    Some(key_of(length, &bytes[start - 3 * groups.start..][..end - start]))
}

#[cfg(test)]
mod tests {
    use super::{SAMPLE, STANDARD, key_of_message, key_of_text};

    #[test]
    fn message_and_base64_text_have_the_same_key() {
        for length in (1..40).chain(SAMPLE - 3..SAMPLE + 600) {
            let message: Vec<u8> = (0..=250_u8).map(|octet| octet.wrapping_mul(37)).cycle().take(length).collect();
            let text = STANDARD.encode_to_string(&message);
            for signature in [1, 2, 3, 64, 256] {
                let key = key_of_message(&message, signature);
                assert_eq!(key_of_text(text.as_bytes(), signature), key);
                assert_eq!(key.is_some(), signature <= length);
            }
        }
        for text in [&b""[..], b"=", b"==", b"A", b"AA==", b"====", b"\xff\xff\xff\xff", b"AAA=AAA="] {
            for signature in [0, 1, 2, 3, 4, 256] {
                let _ = key_of_text(text, signature);
            }
        }
    }
}
