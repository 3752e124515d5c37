//! What stands around the content and the signature of a message.
//!
//! Both are OCTET STRINGs, and nothing of a message is read in the light of what is in them. So a message that equals another one octet for octet, except inside
//! of these two, is read alike; and documents of one signer nearly all do. Nor need the rest be decoded: there is one way to write octets in base64, so a text
//! that is as it was says what it said. Decision 0014 tells what that saves.

use std::ops::Range;
use std::sync::Arc;

use base64_simd::STANDARD;

use crate::memory::Signer;
use crate::pki::signatures::signature::Scheme;

/// Of a message that was accepted, from a signer that came alone, without signed attributes.
#[derive(Debug)]
pub(crate) struct Frame {
    message: Box<[u8]>,
    /// The message in base64.
    text: Box<[u8]>,
    pub(crate) content: Range<usize>,
    pub(crate) signature: Range<usize>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) signer: Arc<Signer>,
}

impl Frame {
    /// `content` comes before `signature`, as in every message (RFC 5652 section 5.1).
    pub(crate) fn new(message: &[u8], content: Range<usize>, signature: Range<usize>, scheme: Option<Scheme>, signer: Arc<Signer>) -> Self {
        Self {
            message: message.into(),
            text: STANDARD.encode_type(message),
            content,
            signature,
            scheme,
            signer,
        }
    }

    /// Whether another message differs in content and signature alone, both of the same length.
    pub(crate) fn fits(&self, message: &[u8]) -> bool {
        let same = |place: Range<usize>| message[place.clone()] == self.message[place];
        message.len() == self.message.len()
            && same(self.content.end..self.signature.start)
            && same(0..self.content.start)
            && same(self.signature.end..message.len())
    }

    /// Content and signature of another message, if what is in base64 here differs from the message in these alone.
    pub(crate) fn cut(&self, text: &[u8]) -> Option<Cut> {
        let [content, signature] = [&self.content, &self.signature].map(groups);
        let same = |place: Range<usize>| text[place.clone()] == self.text[place];
        let fits = text.len() == self.text.len()
            && content.end <= signature.start
            && same(4 * content.end..4 * signature.start)
            && same(0..4 * content.start)
            && same(4 * signature.end..text.len());
        if !fits {
            return None;
        }
        let mut octets = Vec::with_capacity(3 * (content.len() + signature.len()));
        let content = self.decode(&text[4 * content.start..4 * content.end], &self.content, &mut octets)?;
        let signature = self.decode(&text[4 * signature.start..4 * signature.end], &self.signature, &mut octets)?;
        Some(Cut {
            octets,
            content,
            signature,
        })
    }

    /// Appends what groups that hold a place say, and says where that place is now. Nothing, if what they hold besides is not as it was.
    fn decode(&self, text: &[u8], place: &Range<usize>, octets: &mut Vec<u8>) -> Option<Range<usize>> {
        let start = octets.len();
        STANDARD.decode_append(text, octets).ok()?;
        let whole = place.start / 3 * 3..self.message.len().min(place.end.div_ceil(3) * 3);
        let now = start + place.start - whole.start..start + place.end - whole.start;
        let same = octets.len() - start == whole.len()
            && octets[start..now.start] == self.message[whole.start..place.start]
            && octets[now.end..] == self.message[place.end..whole.end];
        same.then_some(now)
    }
}

/// The groups of base64, of three octets or four characters each, that hold a place in a message.
fn groups(place: &Range<usize>) -> Range<usize> {
    place.start / 3..place.end.div_ceil(3)
}

/// Parts of a message, and a few octets around them.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) octets: Vec<u8>,
    pub(crate) content: Range<usize>,
    pub(crate) signature: Range<usize>,
}
