//! Certificate policies (RFC 5280 sections 6.1.2 to 6.1.5). This module only decides whether the policies forbid a path.
//!
//! The policy tree of RFC 5280 can grow exponentially (CVE-2023-0464). This module uses the graph of RFC 9618, which has one node for each
//! policy and depth. It keeps only the nodes at the depth of the last processed certificate, because the result depends only on them: on
//! whether a node is left, and on whether it descends from an accepted policy.

// Python counterpart: `pki/path/policies.py`.

use std::collections::BTreeMap;

use crate::asn1::oids::ANY_POLICY;
use crate::pki::x509::certificate::{Certificate, Count, Oid};

/// A policy at the depth of the last processed certificate.
#[derive(Debug)]
struct Node<'c> {
    /// The `expected_policy_set`: the policies that the certificate below may have. `None` stands for the policy itself.
    expected: Option<Vec<&'c [u8]>>,
    /// Whether the policy descends from a policy of the user-initial-policy-set, or is itself anyPolicy.
    accepted: bool,
}

impl Node<'_> {
    const fn new(accepted: bool) -> Self {
        Self { expected: None, accepted }
    }
}

/// The policy variables of section 6.1.2. Methods return an error if a policy rule forbids the path.
#[derive(Debug)]
pub(crate) struct PolicyState<'c> {
    /// The user-initial-policy-set. `None` stands for anyPolicy alone.
    initial: Option<&'c [Oid]>,
    explicit_policy: Count,
    policy_mapping: Count,
    inhibit_any_policy: Count,
    graph: BTreeMap<&'c [u8], Node<'c>>,
}

impl<'c> PolicyState<'c> {
    /// Initializes the variables as in 6.1.2 (a), (d), (e) and (f). `length` is the number of certificates on the path without the anchor.
    /// The three flags are those of section 6.1.1.
    pub(crate) fn new(length: usize, initial: Option<&'c [Oid]>, explicit: bool, inhibit_mapping: bool, inhibit_any: bool) -> Self {
        let start = |at_once: bool| if at_once { 0 } else { length as Count + 1 };
        Self {
            initial,
            explicit_policy: start(explicit),
            policy_mapping: start(inhibit_mapping),
            inhibit_any_policy: start(inhibit_any),
            graph: BTreeMap::from([(ANY_POLICY, Node::new(true))]),
        }
    }

    /// Applies 6.1.3 (d) to (f). The caller calls it for every certificate below the anchor. It also calls it for an anchor that has
    /// certificate policies, if the anchor constrains the path (RFC 5937).
    pub(crate) fn process(&mut self, certificate: &'c Certificate, last: bool) -> Result<(), &'static str> {
        if certificate.decoded.certificate_policies.is_none() {
            self.graph.clear(); // (e)
        } else if !self.graph.is_empty() {
            self.graph = self.next_depth(certificate, last); // (d)
        }
        if self.explicit_policy == 0 && self.graph.is_empty() {
            return Err("an explicit policy is required, but the path has no valid policy"); // (f)
        }
        Ok(())
    }

    fn next_depth(&self, certificate: &'c Certificate, last: bool) -> BTreeMap<&'c [u8], Node<'c>> {
        let policies = certificate.decoded.certificate_policies.as_deref().unwrap_or_default();
        let wildcard = self.graph.contains_key(ANY_POLICY);
        // The keys are the policies that nodes of the previous depth expect. The value says whether one of these nodes is accepted.
        let mut above: BTreeMap<&'c [u8], bool> = BTreeMap::new();
        for (policy, node) in &self.graph {
            for expected in node.expected.as_deref().unwrap_or(std::slice::from_ref(policy)) {
                *above.entry(expected).or_default() |= node.accepted;
            }
        }
        let mut level = BTreeMap::new();
        let mut has_any = false;
        for policy in policies {
            let policy = &**policy;
            if policy == ANY_POLICY {
                has_any = true;
            } else if let Some(accepted) = above.get(policy) {
                level.insert(policy, Node::new(*accepted)); // (d)(1)(i)
            } else if wildcard {
                level.insert(policy, Node::new(self.is_initial(policy))); // (d)(1)(ii)
            }
        }
        if has_any && (self.inhibit_any_policy > 0 || (!last && certificate.self_issued())) {
            for (policy, accepted) in above {
                level.entry(policy).or_insert(Node::new(accepted)); // (d)(2)
            }
        }
        level
    }

    fn is_initial(&self, policy: &[u8]) -> bool {
        self.initial
            .is_none_or(|initial| initial.iter().any(|one| **one == *policy || **one == *ANY_POLICY))
    }

    /// Applies 6.1.4 (a) and (b). The caller calls it for every intermediate, and for the anchor if the anchor constrains the path.
    pub(crate) fn map(&mut self, certificate: &'c Certificate) -> Result<(), &'static str> {
        let mappings = certificate.decoded.policy_mappings.as_deref().unwrap_or_default();
        if mappings
            .iter()
            .any(|(issuer_domain, subject_domain)| **issuer_domain == *ANY_POLICY || **subject_domain == *ANY_POLICY)
        {
            return Err("anyPolicy is mapped"); // (a)
        }
        let mut below: BTreeMap<&'c [u8], Vec<&'c [u8]>> = BTreeMap::new();
        for (issuer_domain, subject_domain) in mappings {
            below.entry(issuer_domain).or_default().push(subject_domain);
        }
        for (policy, expected) in below {
            if self.policy_mapping == 0 {
                self.graph.remove(policy); // (b)(2)
            } else if let Some(node) = self.graph.get_mut(policy) {
                node.expected = Some(expected); // (b)(1)
            } else if self.graph.contains_key(ANY_POLICY) {
                let accepted = self.is_initial(policy);
                self.graph.insert(
                    policy,
                    Node {
                        expected: Some(expected),
                        accepted,
                    },
                );
            }
        }
        Ok(())
    }

    /// Applies 6.1.4 (h), for every intermediate.
    pub(crate) fn descend(&mut self, certificate: &Certificate) {
        if !certificate.self_issued() {
            self.explicit_policy = self.explicit_policy.saturating_sub(1);
            self.policy_mapping = self.policy_mapping.saturating_sub(1);
            self.inhibit_any_policy = self.inhibit_any_policy.saturating_sub(1);
        }
    }

    /// Applies 6.1.4 (i) and (j) for an intermediate, or RFC 5937 section 3.2 for an anchor.
    pub(crate) fn restrict(&mut self, certificate: &Certificate) {
        if let Some(constraints) = certificate.decoded.policy_constraints {
            self.explicit_policy = self.explicit_policy.min(constraints.require_explicit.unwrap_or(Count::MAX));
            self.policy_mapping = self.policy_mapping.min(constraints.inhibit_mapping.unwrap_or(Count::MAX));
        }
        self.inhibit_any_policy = self
            .inhibit_any_policy
            .min(certificate.decoded.inhibit_any_policy.unwrap_or(Count::MAX));
    }

    /// Applies 6.1.5 (a), (b) and (g) to the last certificate.
    pub(crate) fn wrap_up(&mut self, certificate: &Certificate) -> Result<(), &'static str> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if certificate
            .decoded
            .policy_constraints
            .is_some_and(|constraints| constraints.require_explicit == Some(0))
        {
            self.explicit_policy = 0;
        }
        if self.explicit_policy == 0 && !self.graph.values().any(|node| node.accepted) {
            return Err("an explicit policy is required, but the path has no policy that the caller accepts");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::x509::certificate::PolicyConstraints;
    use crate::samples::{authority, leaf, policies};

    const ONE: &[u8] = &[0x2A, 1];
    const TWO: &[u8] = &[0x2A, 2];

    fn with(mut certificate: Certificate, all: &[&[u8]], mappings: &[(&[u8], &[u8])]) -> Certificate {
        certificate.decoded.certificate_policies = policies(all);
        certificate.decoded.policy_mappings =
            (!mappings.is_empty()).then(|| mappings.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect());
        certificate
    }

    /// Returns whether policies allow the path through one authority to a signer, with explicit policies required.
    fn is_good(initial: Option<&[Oid]>, authority: &Certificate, signer: &Certificate) -> bool {
        let mut state = PolicyState::new(2, initial, true, false, false);
        let problem = state.process(authority, false).and_then(|()| state.map(authority));
        state.descend(authority);
        state.restrict(authority);
        problem
            .and_then(|()| state.process(signer, true))
            .and_then(|()| state.wrap_up(signer))
            .is_ok()
    }

    #[test]
    fn intersects_and_maps_policies() {
        let (ca, end) = (|| authority("mid", "root", 1), || leaf("end", "mid", 2));
        let (one, two): ([Oid; 1], [Oid; 1]) = ([ONE.into()], [TWO.into()]);
        assert!(is_good(None, &with(ca(), &[ONE], &[]), &with(end(), &[ONE], &[])));
        assert!(!is_good(None, &with(ca(), &[ONE], &[]), &with(end(), &[TWO], &[])));
        assert!(!is_good(None, &with(ca(), &[ONE], &[]), &end()));
        assert!(is_good(None, &with(ca(), &[ANY_POLICY], &[]), &with(end(), &[TWO], &[])));
        assert!(is_good(None, &with(ca(), &[ONE], &[(ONE, TWO)]), &with(end(), &[TWO], &[])));
        assert!(is_good(Some(&one), &with(ca(), &[ONE], &[(ONE, TWO)]), &with(end(), &[TWO], &[])));
        assert!(!is_good(Some(&two), &with(ca(), &[ONE], &[(ONE, TWO)]), &with(end(), &[TWO], &[])));
        assert!(!is_good(
            None,
            &with(ca(), &[ANY_POLICY], &[(ANY_POLICY, TWO)]),
            &with(end(), &[TWO], &[])
        ));
        assert!(is_good(Some(&two), &with(ca(), &[ANY_POLICY], &[]), &with(end(), &[TWO], &[])));
        assert!(!is_good(Some(&two), &with(ca(), &[ANY_POLICY], &[]), &with(end(), &[ONE], &[])));
    }

    #[test]
    fn authority_can_inhibit_any_policy_below() {
        let mut ca = with(authority("mid", "root", 1), &[ONE], &[]);
        let end = with(leaf("end", "mid", 2), &[ANY_POLICY], &[]);
        assert!(is_good(None, &ca, &end));
        ca.decoded.inhibit_any_policy = Some(0);
        assert!(!is_good(None, &ca, &end));
    }

    #[test]
    fn authority_can_require_an_explicit_policy() {
        let mut ca = authority("mid", "root", 1);
        ca.decoded.policy_constraints = Some(PolicyConstraints {
            require_explicit: Some(0),
            inhibit_mapping: None,
        });
        let mut state = PolicyState::new(2, None, false, false, false);
        assert_eq!(state.process(&ca, false), Ok(()));
        state.descend(&ca);
        state.restrict(&ca);
        assert!(state.process(&leaf("end", "mid", 2), true).is_err());
    }
}
