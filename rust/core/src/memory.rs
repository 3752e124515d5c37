//! The signers that a checker remembers, with their paths. Readers never wait: what is remembered is swapped whole.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use crate::frame::{Cut, Frame};
use crate::pki::x509::certificate::Certificate;
use crate::reasons::Refusal;

/// Signers whose path is remembered. A region uses one for weeks.
const REMEMBERED_SIGNERS: usize = 256;

/// Frames that are remembered: of each signer one for every length that its documents have.
const REMEMBERED_FRAMES: usize = 64;

/// A path, signer first, anchor last.
pub(crate) type Chain = Arc<[Arc<Certificate>]>;

/// Which certificates are valid does not change between two neighbouring ends of validity periods: (the interval, whether the signer is valid in it).
pub(crate) type Moment = (usize, bool);

/// The end of a certificate, which is the end of a signature and so as good as a hash.
type Tail = [u8; 16];

/// What is known of a signer.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) certificate: Arc<Certificate>,
    paths: ArcSwap<Vec<(Moment, Chain)>>,
    /// The name that it bears, or why it bears none that is accepted.
    pub(crate) identity: OnceLock<Result<Identity, Refusal>>,
}

/// A name that a signer bears: the place of its label among the accepted ones, and the DNS name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) label: usize,
    pub(crate) name: Arc<str>,
}

impl Signer {
    pub(crate) fn new(certificate: Arc<Certificate>) -> Self {
        Self {
            certificate,
            paths: ArcSwap::default(),
            identity: OnceLock::new(),
        }
    }

    /// The path that was found at such a moment.
    pub(crate) fn path(&self, moment: Moment) -> Option<Chain> {
        self.paths
            .load()
            .iter()
            .find(|(known, _)| *known == moment)
            .map(|(_, chain)| Arc::clone(chain))
    }
}

/// Signers by their certificates, and frames of their messages. What came first is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    frames: ArcSwap<Vec<Arc<Frame>>>,
    signers: ArcSwap<HashMap<Tail, Arc<Signer>>>,
    /// In the order of arrival; held while anything is written.
    order: Mutex<VecDeque<Tail>>,
}

impl Memory {
    /// The signer with this certificate.
    pub(crate) fn get(&self, der: &[u8]) -> Option<Arc<Signer>> {
        let signers = self.signers.load();
        signers
            .get(der.last_chunk()?)
            .filter(|signer| *signer.certificate.der == *der)
            .map(Arc::clone)
    }

    /// The frame of a message like one that was accepted.
    pub(crate) fn frame(&self, message: &[u8]) -> Option<Arc<Frame>> {
        let frames = self.frames.load();
        frames.iter().find(|frame| frame.fits(message)).map(Arc::clone)
    }

    /// The same for a message in base64, with what the frame is around.
    pub(crate) fn cut(&self, text: &[u8]) -> Option<(Arc<Frame>, Cut)> {
        let frames = self.frames.load();
        frames.iter().find_map(|frame| Some((Arc::clone(frame), frame.cut(text)?)))
    }

    /// Remember the frame of a message that was accepted.
    pub(crate) fn put_frame(&self, frame: Frame) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut frames = Vec::clone(&self.frames.load());
        if frames.len() == REMEMBERED_FRAMES {
            frames.remove(0);
        }
        frames.push(Arc::new(frame));
        self.frames.store(Arc::new(frames));
    }

    /// Remember a path. Only ones that were found belong here, of signers that came alone: a stranger cannot fill the memory.
    pub(crate) fn put(&self, signer: &Arc<Signer>, moment: Moment, chain: &Chain) {
        let Some(tail) = signer.certificate.der.last_chunk::<16>() else {
            return;
        };
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.signers.load_full();
        let held = known.get(tail).filter(|held| held.certificate.der == signer.certificate.der);
        let signer = held.unwrap_or(signer);
        let mut paths = Vec::clone(&signer.paths.load());
        if paths.len() == REMEMBERED_SIGNERS {
            paths.remove(0);
        }
        paths.push((moment, Arc::clone(chain)));
        signer.paths.store(Arc::new(paths));
        if held.is_some() {
            return;
        }
        let mut signers = HashMap::clone(&known);
        if signers.insert(*tail, Arc::clone(signer)).is_none() {
            order.push_back(*tail);
        }
        if order.len() > REMEMBERED_SIGNERS {
            if let Some(first) = order.pop_front() {
                signers.remove(&first);
            }
        }
        self.signers.store(Arc::new(signers));
    }
}
