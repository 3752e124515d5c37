use super::*;
use crate::pki::x509::certificate::AuthorityKeyIdentifier;
use crate::samples::{NOW, authority, leaf};

/// The inputs of a search. For each configured certificate, the signature cache says that every configured certificate with the name of its
/// issuer signed it. Configured certificates therefore need no real signatures.
struct World {
    anchors: Pool,
    intermediates: Pool,
    signature_cache: SignatureCache,
    limits: Limits,
}

impl World {
    fn new(anchors: Vec<Certificate>, intermediates: Vec<Certificate>) -> Self {
        let pool = |certificates: Vec<Certificate>| Pool::new(certificates.into_iter().map(Arc::new));
        let (anchors, intermediates) = (pool(anchors), pool(intermediates));
        let signature_cache = SignatureCache::default();
        let all = || anchors.all().chain(intermediates.all());
        for child in all() {
            all()
                .filter(|issuer| issuer.subject.key == child.issuer.key)
                .for_each(|issuer| signature_cache.put(child, issuer, Ok(())));
        }
        let limits = Limits {
            document_bytes: 0,
            certificates: 0,
            json_brackets: 0,
            path_certificates: 8,
            work: 3000,
        };
        Self {
            anchors,
            intermediates,
            signature_cache,
            limits,
        }
    }

    fn path_of(&self, signer: Certificate) -> Result<Vec<Vec<u8>>, (Reason, String)> {
        let inputs = Inputs::new(Some(NOW));
        let message = [Arc::new(signer)];
        let sources = Sources {
            anchors: &self.anchors,
            certificates: &message,
            intermediates: &self.intermediates,
            lists: None,
            signature_cache: Some(&self.signature_cache),
        };
        let strength = Strength {
            min_rsa_bits: 2048,
            accept_weak: false,
        };
        build(&message[0], sources, &inputs, &self.limits, strength)
            .map(|path| path.iter().map(|certificate| certificate.spki.to_vec()).collect())
            .map_err(|refusal| (refusal.reason, refusal.location.into_owned()))
    }
}

/// Returns a world with a path of three certificates: signer, authority and anchor.
fn three() -> World {
    World::new(
        vec![authority("root", "root", 1)],
        vec![authority("mid", "root", 2), leaf("end", "mid", 3)],
    )
}

#[test]
fn finds_a_path_within_the_budget_that_python_counts() {
    let mut world = three();
    assert_eq!(world.path_of(leaf("end", "mid", 3)), Ok(vec![vec![3], vec![2], vec![1]]));
    // The path needs two signatures, which cost 1000 thousandths of a unit each. It also needs two steps: a step from a path of n
    // certificates costs 20 + 6 n, which is 26 and 32. The sum is 2058.
    world.limits.work = 2;
    assert_eq!(world.path_of(leaf("end", "mid", 3)), Err((Reason::BudgetSpent, "chain".to_owned())));
}

#[test]
fn limits_the_number_of_certificates_on_a_path() {
    let mut world = three();
    world.limits.path_certificates = 3;
    assert!(world.path_of(leaf("end", "mid", 3)).is_ok());
    world.limits.path_certificates = 2;
    assert_eq!(
        world.path_of(leaf("end", "mid", 3)),
        Err((Reason::PathLength, "chain[1]".to_owned()))
    );
}

#[test]
fn caches_signatures_of_configured_certificates_only() {
    let world = three();
    // The issuer of the signer is found by its name, as in the other tests. But the signer is not configured, so its signature is not in
    // the cache. The search verifies the signature, which is invalid.
    let stranger = leaf("stranger", "mid", 3);
    assert_eq!(
        world.path_of(stranger),
        Err((Reason::CertificateSignature, "chain[0].signatureValue".to_owned()))
    );
    assert_eq!(world.signature_cache.len(), 3);
}

#[test]
fn paths_do_not_loop() {
    let cross = vec![
        authority("a", "b", 1),
        authority("b", "a", 2),
        authority("a", "a", 1),
        authority("b", "b", 2),
        leaf("end", "a", 3),
    ];
    let world = World::new(Vec::new(), cross);
    // The search may choose either certificate of b. In both cases, every possible issuer is already on the path. One of the two
    // certificates is self-signed, which gives `untrusted-root`. This reason is more specific than `unknown-issuer`, so it is reported.
    let refused = Err((Reason::UntrustedRoot, "chain[2].issuer".to_owned()));
    assert_eq!(world.path_of(leaf("end", "a", 3)), refused);
}

#[test]
fn orders_issuers_by_key_identifier_then_by_validity() {
    let mut end = leaf("end", "mid", 9);
    end.decoded.authority_key_identifier = Some(AuthorityKeyIdentifier {
        key_identifier: Some(Box::new([7])),
        issuer: None,
        serial: None,
    });
    let twin = |key, identifier: u8, valid: bool| {
        let mut twin = authority("mid", "root", key);
        twin.decoded.subject_key_identifier = Some(Box::new([identifier]));
        twin.not_after = if valid { NOW } else { NOW - 1 };
        twin
    };
    let again = |end: &Certificate| {
        let mut again = leaf("end", "mid", 9);
        again.decoded.authority_key_identifier = end.decoded.authority_key_identifier.clone();
        again
    };
    let root = || vec![authority("root", "root", 1)];
    let world = World::new(root(), vec![twin(2, 8, true), twin(3, 7, false), twin(4, 7, true), again(&end)]);
    assert_eq!(world.path_of(again(&end)), Ok(vec![vec![9], vec![4], vec![1]]));
    // A wrong key identifier excludes no candidate.
    let world = World::new(root(), vec![twin(2, 8, true), twin(3, 7, false), again(&end)]);
    assert_eq!(world.path_of(end), Ok(vec![vec![9], vec![2], vec![1]]));
}

#[test]
fn reports_the_more_specific_reason() {
    let mut expired = authority("mid", "root", 2);
    expired.not_after = NOW - 1;
    let orphan = authority("mid", "nobody", 4);
    let world = World::new(vec![authority("root", "root", 1)], vec![orphan, expired, leaf("end", "mid", 3)]);
    assert_eq!(
        world.path_of(leaf("end", "mid", 3)),
        Err((Reason::Expired, "chain[1].notAfter".to_owned()))
    );
    assert_eq!(
        world.path_of(leaf("self", "self", 5)),
        Err((Reason::UntrustedRoot, "chain[0].issuer".to_owned()))
    );
}

#[test]
fn configured_certificate_in_a_message_counts_as_configured() {
    let own = Pool::new([Arc::new(authority("mid", "root", 2)), Arc::new(authority("mid", "root", 3))]);
    let message = [
        Arc::new(authority("mid", "root", 4)),
        Arc::new(authority("mid", "root", 3)),
        Arc::new(authority("mid", "root", 4)),
    ];
    let both = Intermediates::new(&message, &own);
    let found: Vec<_> = both
        .get(&message[0].subject.key)
        .map(|found| (found.certificate.spki[0], found.own))
        .collect();
    assert_eq!(found, [(4, false), (3, true), (2, true)]);
}
