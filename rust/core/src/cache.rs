//! The cache that a checker keeps between documents: signers with their certification paths, and message templates. Reading the cache never
//! waits for a lock.

// Python counterpart: `backends/python/cache.py`.

pub(crate) mod message_templates;
pub(crate) mod signers;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cache::message_templates::{Cut, MAX_TEMPLATE_BYTES, MAX_TEMPLATE_BYTES_PER_SIGNER, Template, key_of_message, key_of_text};
use crate::cache::signers::{Chain, MAX_SIGNERS, Moment, Signer};
use crate::cache::table::Table;

/// Maximum number of different signature sizes among the templates. Each size costs one lookup per message. RSA and ECDSA signatures with
/// the usual key sizes have about twelve different sizes.
const MAX_SIGNATURE_SIZES: usize = 16;

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

impl Cache {
    /// Returns the cached signer with this certificate.
    pub(crate) fn signer(&self, der: &[u8]) -> Option<Arc<Signer>> {
        self.signers.find(Signer::key(der)?, |signer| {
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
        let owner = Signer::key(&template.signer.certificate.der);
        if let (true, Some(key), Some(owner)) = (known, key_of_message(&template.message, size), owner) {
            let bytes = template.bytes();
            self.templates
                .insert(key, owner, bytes, Arc::new(template), |known, new| known.fits(&new.message));
        }
    }

    /// Adds a path of a signer. The path must be valid, the signer must have an accepted name, and the message must contain no certificate
    /// except the signer's.
    pub(crate) fn add_path(&self, signer: &Arc<Signer>, moment: Moment, chain: &Chain) {
        let Some(key) = Signer::key(&signer.certificate.der) else {
            return;
        };
        let same = |known: &Signer, new: &Signer| known.certificate.der == new.certificate.der;
        self.signers.insert(key, key, 1, Arc::clone(signer), same).add_path(moment, chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(cache.templates.size().0, 1);
        cache.add_template(template(&signer, 301));
        assert_eq!(cache.templates.size().0, 2);
    }

    #[test]
    fn finds_templates_by_message_and_by_base64_text() {
        let cache = Cache::default();
        let signers: Vec<_> = (0..30).map(signer).collect();
        let all = || signers.iter().flat_map(|signer| (0..20).map(move |extra| (signer, 300 + extra)));
        for (signer, length) in all() {
            cache.add_template(template(signer, length));
        }
        assert_eq!(cache.templates.size().0, 600);
        for (signer, length) in all() {
            let other = message(signer, length, 9);
            assert!(Arc::ptr_eq(&cache.template(&other).unwrap().signer, signer));
            let text = base64_simd::STANDARD.encode_to_string(&other);
            let (found, cut) = cache.cut(text.as_bytes()).unwrap();
            assert!(Arc::ptr_eq(&found.signer, signer));
            assert_eq!(cut.bytes[cut.content], vec![9; length]);
            assert_eq!(cut.bytes[cut.signature], [9; 256]);
        }
        let strange = message(&signer(31), 300, 0);
        assert!(cache.template(&strange).is_none());
        assert!(cache.cut(base64_simd::STANDARD.encode_to_string(&strange).as_bytes()).is_none());
    }

    #[test]
    fn one_signer_cannot_evict_the_templates_of_others() {
        let (cache, first, greedy) = (Cache::default(), signer(1), signer(2));
        cache.add_template(template(&first, 300));
        for length in 0..3000 {
            cache.add_template(template(&greedy, 400 + length));
            assert!(cache.templates.size().1 <= MAX_TEMPLATE_BYTES_PER_SIGNER + 10_000);
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
            assert!(cache.templates.size().1 <= MAX_TEMPLATE_BYTES);
        }
        let (count, bytes) = cache.templates.size();
        assert!(bytes > MAX_TEMPLATE_BYTES - 20_000 && count * 8_000 < bytes);
    }
}
