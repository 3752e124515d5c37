//! The cache that a checker keeps between documents: signers with their certification paths, and message templates. Reading the cache never waits for a lock.
//!
//! A message template is an accepted message with which the checker compares later messages. The parser never looks inside the OCTET STRINGs that hold the
//! content and the signature, so a message that equals a template everywhere else parses identically. The checker does not have to decode the equal parts from
//! base64 either: strict base64 has one encoding of each byte string, so equal text means equal bytes. Pages 0014 and 0046 of `docs/decisions` explain how much
//! work this saves and how the size of the cache is limited.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use base64_simd::{Out, STANDARD};

use crate::pki::signatures::signature::Scheme;
use crate::pki::x509::certificate::Certificate;
use crate::reasons::Refusal;

/// Maximum number of cached signers. One signer may also have at most this many cached paths. An Azure region uses one signer for weeks.
const MAX_SIGNERS: usize = 256;

/// Maximum total size of all message templates in bytes. The next constant limits the templates of one signer. A typical template takes 7 kB.
pub(crate) const MAX_TEMPLATE_BYTES: usize = 16 << 20;
pub(crate) const MAX_TEMPLATE_BYTES_PER_SIGNER: usize = MAX_TEMPLATE_BYTES / 4;

/// Maximum number of different signature sizes among the templates. Each size costs one lookup per message. RSA and ECDSA signatures with the usual key sizes have
/// about twelve different sizes.
const MAX_SIGNATURE_SIZES: usize = 16;

/// Number of bytes from which the key of a template is computed. They directly precede the signature. They always contain the serial number of the signer's
/// certificate, even if long RSASSA-PSS parameters stand between it and the signature.
const SAMPLE: usize = 128;

/// A certification path, from the signer to the anchor.
pub(crate) type Chain = Arc<[Arc<Certificate>]>;

/// The time of a check, reduced to what decides whether a path is valid. The starts and ends of all configured validity periods divide time into intervals.
/// Within an interval, no configured certificate or list becomes valid or expires. The first value is the number of the interval. The second value says whether
/// the signer is valid at that time.
pub(crate) type Moment = (usize, bool);

/// A signer and the results of earlier checks of its certificate.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) certificate: Arc<Certificate>,
    paths: ArcSwap<Vec<(Moment, Chain)>>,
    /// The accepted name of the certificate, or the refusal if it has no accepted name.
    pub(crate) identity: OnceLock<Result<Identity, Refusal>>,
}

/// A name of a signer that the checker accepts: the index of the matching entry of `Setup::names`, and the DNS name.
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

    /// Returns the cached path for this moment.
    pub(crate) fn path(&self, moment: Moment) -> Option<Chain> {
        self.paths
            .load()
            .iter()
            .find(|(known, _)| *known == moment)
            .map(|(_, chain)| Arc::clone(chain))
    }

    fn add_path(&self, moment: Moment, chain: &Chain) {
        self.paths.rcu(|paths| {
            let mut paths = Vec::clone(paths);
            if !paths.iter().any(|(known, _)| *known == moment) {
                if paths.len() == MAX_SIGNERS {
                    paths.remove(0);
                }
                paths.push((moment, Arc::clone(chain)));
            }
            paths
        });
    }
}

/// A message template. The message was accepted, has no signed attributes, contains no certificate except the signer's, and ends with the signature.
#[derive(Debug)]
pub(crate) struct Template {
    message: Box<[u8]>,
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

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.len() + self.text.len()
    }

    /// Returns whether another message of the same length differs from the template only in its content and signature.
    fn fits(&self, message: &[u8]) -> bool {
        let same = |range: Range<usize>| message[range.clone()] == self.message[range];
        message.len() == self.message.len() && same(self.content.end..self.signature.start) && same(0..self.content.start)
    }

    /// Compares a message in base64 with the template. Returns its content and signature if everything else in it equals the template.
    fn cut(&self, text: &[u8]) -> Option<Cut> {
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

    /// Decodes the base64 groups that contain `range` and appends them to `bytes`. Returns the position of the range in `bytes`, or `None` if the other bytes in
    /// these groups differ from the template's.
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

/// Returns the key of a template, which depends on the length of the message and on `sample`, the bytes before its signature. All messages of one signer that have
/// the same length have the same key. The caller compares the whole template, so a collision only costs time.
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
fn key_of_text(text: &[u8], signature_size: usize) -> Option<u64> {
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

/// The caches of one checker. When a cache is full, it evicts its oldest entries.
#[derive(Debug)]
pub(crate) struct Cache {
    signers: Table<Signer>,
    templates: Table<Template>,
    /// The signature sizes of the templates, in the order in which they were added. Unused elements are zero.
    signature_sizes: [AtomicUsize; MAX_SIGNATURE_SIZES],
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            signers: Table::new(MAX_SIGNERS, MAX_SIGNERS),
            templates: Table::new(MAX_TEMPLATE_BYTES, MAX_TEMPLATE_BYTES_PER_SIGNER),
            signature_sizes: Default::default(),
        }
    }
}

/// Returns the key of a signer: the last bytes of its certificate. A certificate ends with a signature, so these bytes can serve as a hash.
fn key_of_signer(der: &[u8]) -> Option<u64> {
    der.last_chunk().map(|tail| u64::from_le_bytes(*tail))
}

impl Cache {
    /// Returns the cached signer with this certificate.
    pub(crate) fn signer(&self, der: &[u8]) -> Option<Arc<Signer>> {
        self.signers.find(key_of_signer(der)?, |signer| {
            (*signer.certificate.der == *der).then(|| Arc::clone(signer))
        })
    }

    fn signature_sizes(&self) -> impl Iterator<Item = usize> {
        let sizes = self.signature_sizes.iter().map(|size| size.load(Ordering::Relaxed));
        sizes.take_while(|size| *size > 0)
    }

    /// Returns the template that fits a message.
    pub(crate) fn template(&self, message: &[u8]) -> Option<Arc<Template>> {
        self.signature_sizes().find_map(|size| {
            let key = key_of_message(message, size)?;
            self.templates
                .find(key, |template| template.fits(message).then(|| Arc::clone(template)))
        })
    }

    /// Returns the template that fits a message in base64, and the content and signature of the message.
    pub(crate) fn cut(&self, text: &[u8]) -> Option<(Arc<Template>, Cut)> {
        self.signature_sizes().find_map(|size| {
            let key = key_of_text(text, size)?;
            self.templates
                .find(key, |template| Some((Arc::clone(template), template.cut(text)?)))
        })
    }

    /// Adds a template unless the cache has an equal one. The caller must pass accepted messages only.
    pub(crate) fn add_template(&self, template: Template) {
        let size = template.signature.len();
        // Two threads may each add the same size. The duplicate only costs one lookup per message.
        let known = self.signature_sizes().any(|other| other == size)
            || self
                .signature_sizes
                .iter()
                .any(|free| free.compare_exchange(0, size, Ordering::Relaxed, Ordering::Relaxed).is_ok());
        let owner = key_of_signer(&template.signer.certificate.der);
        if let (true, Some(key), Some(owner)) = (known, key_of_message(&template.message, size), owner) {
            let bytes = template.bytes();
            self.templates
                .insert(key, owner, bytes, Arc::new(template), |known, new| known.fits(&new.message));
        }
    }

    /// Adds a path of a signer. The path must be valid, the signer must have an accepted name, and the message must contain only the signer's certificate.
    pub(crate) fn add_path(&self, signer: &Arc<Signer>, moment: Moment, chain: &Chain) {
        let Some(key) = key_of_signer(&signer.certificate.der) else {
            return;
        };
        let same = |known: &Signer, new: &Signer| known.certificate.der == new.certificate.der;
        self.signers.insert(key, key, 1, Arc::clone(signer), same).add_path(moment, chain);
    }

    /// Returns the number of templates and their size in bytes.
    #[cfg(test)]
    pub(crate) fn templates(&self) -> (usize, usize) {
        let queue = self.templates.queue.lock().unwrap();
        (queue.entries.len(), queue.total)
    }
}

const SHARDS: usize = 16;

type Shard<V> = ArcSwap<Vec<(u64, Arc<V>)>>;

/// A hash table of bounded size, split into shards. A writer copies one shard, changes the copy, and replaces the shard. Readers therefore never wait.
#[derive(Debug)]
struct Table<V> {
    shards: [Shard<V>; SHARDS],
    capacity: usize,
    /// Maximum total size of the entries of one owner (a signer), so that no owner can evict all entries of the others.
    share: usize,
    /// The entries in the order in which they were added. The lock of this queue serializes all writes.
    queue: Mutex<Queue<V>>,
}

/// The entries of a table in the order in which they were added, with sums of their sizes.
#[derive(Debug)]
struct Queue<V> {
    entries: VecDeque<Entry<V>>,
    total: usize,
    by_owner: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Entry<V> {
    key: u64,
    owner: u64,
    size: usize,
    value: Arc<V>,
}

impl<V> Table<V> {
    fn new(capacity: usize, share: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| ArcSwap::default()),
            capacity,
            share,
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                total: 0,
                by_owner: HashMap::new(),
            }),
        }
    }

    fn shard(&self, key: u64) -> &Shard<V> {
        &self.shards[(key >> 32) as usize % SHARDS]
    }

    /// Calls `pick` with each value that has this key, and returns the first result that is not `None`.
    fn find<R>(&self, key: u64, mut pick: impl FnMut(&Arc<V>) -> Option<R>) -> Option<R> {
        let shard = self.shard(key).load();
        shard.iter().filter(|(other, _)| *other == key).find_map(|(_, value)| pick(value))
    }

    /// Adds a value unless `same` finds an equal one in the table. Returns the value that is in the table afterwards.
    fn insert(&self, key: u64, owner: u64, size: usize, value: Arc<V>, same: impl Fn(&V, &V) -> bool) -> Arc<V> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.find(key, |known| same(known, &value).then(|| Arc::clone(known))) {
            return known;
        }
        let mut shard = Vec::clone(&self.shard(key).load());
        shard.push((key, Arc::clone(&value)));
        self.shard(key).store(Arc::new(shard));
        queue.push(key, owner, size, Arc::clone(&value));
        loop {
            let evicted = if queue.by_owner[&owner] > self.share {
                queue.entries.iter().position(|entry| entry.owner == owner)
            } else {
                (queue.total > self.capacity).then_some(0)
            };
            let Some(entry) = evicted.and_then(|index| queue.remove(index)) else {
                return value;
            };
            let mut shard = Vec::clone(&self.shard(entry.key).load());
            shard.retain(|(_, value)| !Arc::ptr_eq(value, &entry.value));
            self.shard(entry.key).store(Arc::new(shard));
        }
    }
}

impl<V> Queue<V> {
    fn push(&mut self, key: u64, owner: u64, size: usize, value: Arc<V>) {
        self.total += size;
        *self.by_owner.entry(owner).or_default() += size;
        self.entries.push_back(Entry { key, owner, size, value });
    }

    fn remove(&mut self, index: usize) -> Option<Entry<V>> {
        let entry = self.entries.remove(index)?;
        self.total -= entry.size;
        if let Some(size) = self.by_owner.get_mut(&entry.owner) {
            *size -= entry.size;
            if *size == 0 {
                self.by_owner.remove(&entry.owner);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Arc, Cache, MAX_TEMPLATE_BYTES, MAX_TEMPLATE_BYTES_PER_SIGNER, SAMPLE, STANDARD, Signer, Template, key_of_message, key_of_text,
    };
    use crate::samples;

    /// Returns a signer whose certificate differs from all others in its last bytes, as real certificates do.
    fn signer(number: u32) -> Arc<Signer> {
        let mut certificate = samples::leaf("leaf", "issuer", 1);
        certificate.der = [&[7; 1500][..], &number.to_le_bytes(), &[0; 4]].concat().into();
        Arc::new(Signer::new(Arc::new(certificate)))
    }

    fn message(signer: &Signer, length: usize, filling: u8) -> Vec<u8> {
        [&[1; 60], &vec![filling; length][..], &signer.certificate.der, &[filling; 256]].concat()
    }

    fn template(signer: &Arc<Signer>, length: usize) -> Template {
        let message = message(signer, length, 0);
        let signature = message.len() - 256..message.len();
        Template::new(&message, &(60..60 + length), &signature, None, Arc::clone(signer))
    }

    #[test]
    fn stores_equal_templates_once() {
        let (cache, signer) = (Cache::default(), signer(1));
        for _ in 0..128 {
            cache.add_template(template(&signer, 300));
        }
        assert_eq!(cache.templates().0, 1);
        cache.add_template(template(&signer, 301));
        assert_eq!(cache.templates().0, 2);
    }

    #[test]
    fn finds_templates_by_message_and_by_base64_text() {
        let cache = Cache::default();
        let signers: Vec<_> = (0..30).map(signer).collect();
        let all = || signers.iter().flat_map(|signer| (0..20).map(move |extra| (signer, 300 + extra)));
        for (signer, length) in all() {
            cache.add_template(template(signer, length));
        }
        assert_eq!(cache.templates().0, 600);
        for (signer, length) in all() {
            let other = message(signer, length, 9);
            assert!(Arc::ptr_eq(&cache.template(&other).unwrap().signer, signer));
            let text = STANDARD.encode_to_string(&other);
            let (found, cut) = cache.cut(text.as_bytes()).unwrap();
            assert!(Arc::ptr_eq(&found.signer, signer));
            assert_eq!(cut.bytes[cut.content], vec![9; length]);
            assert_eq!(cut.bytes[cut.signature], [9; 256]);
        }
        let strange = message(&signer(31), 300, 0);
        assert!(cache.template(&strange).is_none());
        assert!(cache.cut(STANDARD.encode_to_string(&strange).as_bytes()).is_none());
    }

    #[test]
    fn one_signer_cannot_evict_the_templates_of_others() {
        let (cache, first, greedy) = (Cache::default(), signer(1), signer(2));
        cache.add_template(template(&first, 300));
        for length in 0..3000 {
            cache.add_template(template(&greedy, 400 + length));
            assert!(cache.templates().1 <= MAX_TEMPLATE_BYTES_PER_SIGNER + 10_000);
        }
        assert!(cache.template(&message(&first, 300, 5)).is_some());
        assert!(cache.template(&message(&greedy, 400, 5)).is_none());
        assert!(cache.template(&message(&greedy, 400 + 2999, 5)).is_some());
    }

    #[test]
    fn bounds_the_total_size_of_templates() {
        let cache = Cache::default();
        for number in 0..4000 {
            cache.add_template(template(&signer(number), 2000));
            assert!(cache.templates().1 <= MAX_TEMPLATE_BYTES);
        }
        let (count, bytes) = cache.templates();
        assert!(bytes > MAX_TEMPLATE_BYTES - 20_000 && count * 8_000 < bytes);
        let queue = cache.templates.queue.lock().unwrap();
        let stored: usize = cache.templates.shards.iter().map(|shard| shard.load().len()).sum();
        assert_eq!(stored, queue.entries.len());
        assert_eq!(queue.by_owner.values().sum::<usize>(), bytes);
    }

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
