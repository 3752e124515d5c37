//! What stands around the content and the signature of a message.
//!
//! Both are OCTET STRINGs, and nothing of a message is read in the light of what is in them. So a message that equals another one octet for octet, except inside
//! of these two, is read alike; and documents of one signer nearly all do. Decision 0014 tells what that saves.

use std::ops::Range;
use std::sync::Arc;

use crate::memory::Signer;
use crate::signature::Scheme;

/// Of a message that was accepted, from a signer that came alone, without signed attributes.
#[derive(Debug)]
pub(crate) struct Frame {
    message: Box<[u8]>,
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
}
