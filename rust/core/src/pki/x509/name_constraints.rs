//! Name constraints: the names for which an authority may issue certificates (RFC 5280 sections 4.2.1.10, 6.1.3 (b) and (c), 6.1.4 (g)).
//!
//! The constraints of each certificate are stored separately, and a name must satisfy all of them. RFC 5280 instead computes the
//! intersection of the permitted subtrees and the union of the excluded ones. The result is the same. Subtrees are stored in sets. The
//! number of lookups for a name depends on the number of its parent domains (or the corresponding parts of other kinds of names), but not
//! on the number of subtrees.
//!
//! DNS names, mail addresses, hosts of URIs, IP addresses and directory names are understood. A constraint on another kind of name refuses
//! every name of that kind, even if the constraint is not critical and section 4.2.1.10 would allow ignoring it.

// Python counterpart: `pki/x509/name_constraints.py`.

use std::collections::{BTreeSet, HashSet};

use crate::pki::path::budget::Budget;
use crate::pki::x509::certificate::{Certificate, GeneralName, GeneralNameKind as Kind, GeneralSubtree, Name, NameConstraints, hex};
use crate::pki::x509::host_labels::{ends_of_labels, is_host, is_named_host, labels, mailbox_of};
use crate::pki::x509::rules::is_address_range;
use crate::pki::x509::uri::Uri;
use crate::reasons::{Reason, Refusal};

/// Maximum product of the number of names and the number of subtrees on one path. Both numbers include only the kinds of names for which
/// `is_counted` returns true. This implementation could handle more, but only an attack needs more. OpenSSL has the same limit.
const MAX_COMPARISONS: usize = 1 << 20;

/// Number of labels, or of relative distinguished names, that together cost as much as one item of the budget.
const PARTS_PER_ITEM: usize = 4;
/// Number of masks that together cost as much as one item of the budget. An address is looked up once with each mask.
const MASKS_PER_ITEM: usize = 16;

const fn is_counted(kind: Kind) -> bool {
    matches!(kind, Kind::DnsName | Kind::IpAddress | Kind::DirectoryName | Kind::Rfc822Name)
}

const fn is_understood(kind: Kind) -> bool {
    is_counted(kind) || matches!(kind, Kind::UniformResourceIdentifier)
}

/// A name in a certificate, in any field.
#[derive(Clone, Copy, Debug)]
struct CertificateName<'c> {
    kind: Kind,
    value: &'c [u8],
    name: Option<&'c Name>,
}

impl<'c> From<&'c GeneralName> for CertificateName<'c> {
    fn from(name: &'c GeneralName) -> Self {
        Self {
            kind: name.kind,
            value: &name.value,
            name: name.name.as_ref(),
        }
    }
}

impl CertificateName<'_> {
    /// Returns the number of labels after the first. For a directory name, returns the number of relative distinguished names.
    fn parts(&self) -> usize {
        let dots = || memchr::memchr_iter(b'.', self.value).count();
        self.name.map_or_else(dots, |name| name.key.len())
    }
}

/// The subtrees for one kind of name.
#[derive(Debug, Default)]
struct Subtrees<'c> {
    /// Keys of the subtrees of all kinds except directoryName; see [`base_key`] and [`address_key`].
    keys: HashSet<Vec<u8>>,
    /// Subtrees of directoryName.
    directories: HashSet<&'c [Vec<u8>]>,
    /// The numbers of relative distinguished names in the names of `directories`.
    lengths: BTreeSet<usize>,
    /// Masks of address subtrees.
    masks: BTreeSet<&'c [u8]>,
    /// The parent domains of the subtrees of DNS names.
    parents: HashSet<Vec<u8>>,
    count: usize,
}

impl<'c> Subtrees<'c> {
    fn add(&mut self, base: &'c GeneralName, exclude: bool) {
        self.count += 1;
        match (&base.name, base.kind) {
            (Some(name), _) => {
                self.lengths.insert(name.key.len());
                self.directories.insert(&name.key);
            }
            (None, Kind::IpAddress) => {
                let (address, mask) = base.value.split_at(base.value.len() / 2);
                self.masks.insert(mask);
                self.keys.insert(address_key(address, mask));
            }
            (None, kind) => {
                let key = base_key(base, exclude);
                if kind == Kind::DnsName {
                    let end = key.iter().rposition(|octet| *octet == b'.').unwrap_or(0);
                    self.parents.insert(key[..end].to_vec());
                }
                self.keys.insert(key);
            }
        }
    }

    /// Returns whether the name lies within one of the subtrees.
    fn contain(&self, name: CertificateName<'_>) -> bool {
        match (name.name, name.kind) {
            (Some(name), _) => self
                .lengths
                .range(..=name.key.len())
                .any(|length| self.directories.contains(&name.key[..*length])),
            (None, Kind::IpAddress) => {
                let mut masks = self.masks.iter().filter(|mask| mask.len() == name.value.len());
                masks.any(|mask| self.keys.contains(&address_key(name.value, mask)))
            }
            (None, Kind::DnsName) => {
                // A DNS name lies within a subtree if it is the base, or the base with more labels on the left. The empty subtree contains
                // every name.
                let labels = labels(name.value);
                let mut key = Vec::with_capacity(labels.len() + 1);
                self.keys.contains(&key)
                    || ends_of_labels(&labels).any(|end| {
                        key.clear();
                        key.extend_from_slice(&labels[..end]);
                        self.keys.contains(&key) || {
                            key.push(BELOW);
                            end < labels.len() && self.keys.contains(&key)
                        }
                    })
            }
            (None, kind) => {
                let (mailbox, host) = if kind == Kind::Rfc822Name {
                    mailbox_of(name.value)
                } else {
                    (&b""[..], &*uri_host(name.value))
                };
                let labels = labels(host);
                let mut ends = std::iter::once(0).chain(ends_of_labels(&labels)).filter(|end| *end < labels.len());
                self.keys.contains(&mailbox_key(mailbox, &labels))
                    || self.keys.contains(&tagged(HOST, &labels))
                    || ends.any(|end| self.keys.contains(&tagged(HOSTS_BELOW, &labels[..end])))
            }
        }
    }

    /// Returns whether the name, or a name that a wildcard stands for, lies within one of the subtrees. `*.example.com` stands for
    /// `a.example.com`, so an exclusion of `a.example.com` applies to the wildcard (CVE-2025-61727).
    fn touch(&self, name: CertificateName<'_>) -> bool {
        let parent = if name.kind == Kind::DnsName {
            name.value.strip_prefix(b"*.")
        } else {
            None
        };
        parent.is_some_and(|parent| self.parents.contains(&labels(parent))) || self.contain(name)
    }
}

/// The constraints of one authority, by kind of name.
#[derive(Debug)]
struct Constraints<'c> {
    permitted: [Option<Subtrees<'c>>; 9],
    excluded: [Option<Subtrees<'c>>; 9],
    /// Number of subtrees of the kinds for which `is_counted` returns true.
    count: usize,
    /// Number of masks of permitted and excluded addresses.
    masks: usize,
}

impl<'c> Constraints<'c> {
    fn new(constraints: &'c NameConstraints) -> Self {
        let permitted = by_kind(constraints.permitted.as_deref().unwrap_or_default(), false);
        let excluded = by_kind(constraints.excluded.as_deref().unwrap_or_default(), true);
        let counted = [Kind::DnsName, Kind::IpAddress, Kind::DirectoryName, Kind::Rfc822Name];
        let count = counted
            .iter()
            .flat_map(|kind| [&permitted[*kind as usize], &excluded[*kind as usize]])
            .flatten()
            .map(|subtrees| subtrees.count);
        let masks =
            [&permitted, &excluded].map(|kinds| kinds[Kind::IpAddress as usize].as_ref().map_or(0, |subtrees| subtrees.masks.len()));
        Self {
            count: count.sum(),
            masks: masks.iter().sum(),
            permitted,
            excluded,
        }
    }

    /// Checks that the authority may issue for the name. The error describes the problem.
    fn check(&self, name: CertificateName<'_>) -> Result<(), String> {
        let (excluded, permitted) = (
            self.excluded[name.kind as usize].as_ref(),
            self.permitted[name.kind as usize].as_ref(),
        );
        if excluded.is_none() && permitted.is_none() {
            return Ok(());
        }
        if !is_understood(name.kind) {
            return Err(format!("{}: constraints on this kind of name are not supported", name.kind.name()));
        }
        if !is_well_formed(name) {
            return Err(format!("{} cannot be compared with the constraints", shown(name)));
        }
        if excluded.is_some_and(|excluded| excluded.touch(name)) {
            return Err(format!("{} is excluded", shown(name)));
        }
        if permitted.is_some_and(|permitted| !permitted.contain(name)) {
            return Err(format!("{} is not permitted", shown(name)));
        }
        Ok(())
    }
}

/// The name constraints of the authorities on one path. The caller adds those of each authority, from the anchor down. Methods return an
/// error if the [`Budget`] is spent.
#[derive(Debug)]
pub(crate) struct PathConstraints<'c> {
    /// Whether common names are checked like DNS names. Set it if the caller accepts a common name as a host name.
    common_names: bool,
    all: Vec<Constraints<'c>>,
    comparisons: usize,
}

impl<'c> PathConstraints<'c> {
    pub(crate) const fn new(common_names: bool) -> Self {
        Self {
            common_names,
            all: Vec::new(),
            comparisons: 0,
        }
    }

    /// Adds the constraints of an authority (6.1.4 (g)).
    pub(crate) fn add(&mut self, certificate: &'c Certificate, budget: &mut Budget) -> Result<(), Refusal> {
        if let Some(constraints) = &certificate.decoded.name_constraints {
            budget.spend_items(constraints.permitted.as_ref().map_or(0, Vec::len) + constraints.excluded.as_ref().map_or(0, Vec::len))?;
            self.all.push(Constraints::new(constraints));
        }
        Ok(())
    }

    /// Checks that all names of the certificate at `index` of the path are permitted (6.1.3 (b) and (c)).
    pub(crate) fn check(&mut self, certificate: &Certificate, index: usize, budget: &mut Budget) -> Result<(), Refusal> {
        if self.all.is_empty() {
            return Ok(());
        }
        let others = other_names(certificate, self.common_names);
        let subtrees: usize = self.all.iter().map(|constraints| constraints.count).sum();
        let comparisons = others.iter().filter(|name| is_counted(name.kind)).count().saturating_mul(subtrees);
        self.comparisons = self.comparisons.saturating_add(comparisons);
        if self.comparisons > MAX_COMPARISONS {
            return Err(budget.exhaust());
        }
        let subject = &certificate.subject;
        let addresses = others.iter().filter(|name| name.kind == Kind::IpAddress).count();
        let parts = subject.key.len() + others.iter().map(CertificateName::parts).sum::<usize>();
        let masks: usize = self.all.iter().map(|constraints| constraints.masks).sum();
        let lookups = (others.len() + 1 + parts / PARTS_PER_ITEM) * self.all.len();
        budget.spend_items(lookups + addresses * masks / MASKS_PER_ITEM)?;
        // An empty subject is not a name, so no restriction applies to it (4.2.1.10).
        let directory = CertificateName {
            kind: Kind::DirectoryName,
            value: &subject.der,
            name: Some(subject),
        };
        let directory = (!subject.key.is_empty()).then_some(directory);
        let names = || directory.into_iter().chain(others.iter().copied());
        self.all
            .iter()
            .try_for_each(|constraints| names().try_for_each(|name| constraints.check(name)))
            .map_err(|problem| Refusal::new(Reason::NameConstraints, format!("chain[{index}]"), problem))
    }
}

/// Returns all names except the subject itself: the alternative names and the mail addresses in the subject. Section 4.2.1.10 requires no
/// check of these mail addresses if there are alternative names. This function always includes them, which is stricter. Common names that
/// look like DNS names are included if `common_names` is set and no alternative name is a DNS name.
fn other_names(certificate: &Certificate, common_names: bool) -> Vec<CertificateName<'_>> {
    let mut names: Vec<CertificateName<'_>> = certificate
        .decoded
        .subject_alt_name
        .iter()
        .flatten()
        .map(CertificateName::from)
        .collect();
    let common_names = common_names && !names.iter().any(|name| name.kind == Kind::DnsName);
    let subject = &certificate.subject;
    names.extend(subject.email_addresses.iter().map(|address| CertificateName {
        kind: Kind::Rfc822Name,
        value: address.as_bytes(),
        name: None,
    }));
    if common_names {
        let hosts = subject.common_names.iter().map(|host| CertificateName {
            kind: Kind::DnsName,
            value: host.as_bytes(),
            name: None,
        });
        names.extend(hosts.filter(|host| host.value.contains(&b'.') && is_host(host.value.strip_prefix(b"*.").unwrap_or(host.value))));
    }
    names
}

/// Refuses constraints that cannot be applied: those with a minimum or maximum, which RFC 5280 does not use (4.2.1.10), and those whose
/// base cannot contain any name. The error describes the problem.
pub(crate) fn check_form(constraints: &NameConstraints) -> Result<(), &'static str> {
    for subtree in constraints.permitted.iter().chain(&constraints.excluded).flatten() {
        if subtree.minimum != 0 || subtree.maximum.is_some() {
            return Err("the field minimum or maximum is set");
        }
        let value = &*subtree.base.value;
        match subtree.base.kind {
            Kind::IpAddress if !is_address_range(value) => return Err("the base is not a valid address and mask"),
            Kind::DnsName if !value.is_empty() && !is_host(without_dot(value)) => return Err("the base is not a valid DNS name"),
            Kind::Rfc822Name if !is_mail_base(value) => return Err("the base is not a valid mailbox, host or domain"),
            Kind::UniformResourceIdentifier if !value.is_empty() && !is_named_host(without_dot(value)) => {
                return Err("the base is not a valid host or domain");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether the base of a mail subtree is a mailbox, a host, a domain with a leading dot (for all hosts below it), or empty
/// (4.2.1.10). A mailbox is a Dot-string of RFC 5321 section 4.1.2: printable ASCII without at signs and without empty parts between dots.
fn is_mail_base(value: &[u8]) -> bool {
    let (mailbox, host) = mailbox_of(value);
    if host.len() == value.len() {
        return value.is_empty() || is_host(without_dot(value));
    }
    let is_part = |part: &[u8]| !part.is_empty() && part.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'@');
    mailbox.split(|octet| *octet == b'.').all(is_part) && is_host(host)
}

// Keys of subtrees. From a name, `Subtrees::contain` derives the keys of all subtrees that could contain the name, and looks them up.
// Labels are reversed, the most significant first, so that the key of a domain is a prefix of the keys of the names below it.

/// A byte that follows the labels of a DNS name if the key stands for all names below this name, without the name itself. No label
/// contains this byte.
const BELOW: u8 = b'/';
/// A byte that precedes the labels of a host in a mail address or URI if the key stands for this host alone.
const HOST: u8 = b'h';
/// A byte that precedes the labels of a domain in mail addresses or URIs if the key stands for all hosts below this domain.
const HOSTS_BELOW: u8 = b'b';
/// A byte that precedes the labels and the mailbox of a mail address.
const MAILBOX: u8 = b'm';

/// Returns the key of a subtree of DNS names, mail addresses or URIs.
fn base_key(base: &GeneralName, exclude: bool) -> Vec<u8> {
    let value = &*base.value;
    if matches!(base.kind, Kind::Rfc822Name | Kind::UniformResourceIdentifier) {
        let (mailbox, host) = mailbox_of(value);
        if host.len() < value.len() {
            return mailbox_key(mailbox, &labels(host));
        }
        // With a leading dot, the subtree contains all hosts below the domain. Without the dot, it contains this host alone. The empty
        // subtree contains every host.
        return match host.strip_prefix(b".") {
            Some(domain) => tagged(HOSTS_BELOW, &labels(domain)),
            None if host.is_empty() => tagged(HOSTS_BELOW, b""),
            None => tagged(HOST, &labels(host)),
        };
    }
    // DNS subtrees have no leading dot. If there is one, the stricter reading applies: a permitted subtree contains only the names below,
    // and an excluded subtree contains the name itself too.
    match value.strip_prefix(b".") {
        Some(parent) => {
            let mut key = labels(parent);
            key.extend((!exclude).then_some(BELOW));
            key
        }
        None => labels(value),
    }
}

fn tagged(tag: u8, labels: &[u8]) -> Vec<u8> {
    [&[tag], labels].concat()
}

/// Returns the key of a mail address. The case of the mailbox matters, but the case of the host does not. The host comes first, because it
/// contains no at sign. The key is therefore unambiguous.
fn mailbox_key(mailbox: &[u8], labels: &[u8]) -> Vec<u8> {
    [&[MAILBOX], labels, b"@", mailbox].concat()
}

fn address_key(address: &[u8], mask: &[u8]) -> Vec<u8> {
    mask.iter()
        .copied()
        .chain(address.iter().zip(mask).map(|(octet, mask)| octet & mask))
        .collect()
}

fn by_kind(subtrees: &[GeneralSubtree], exclude: bool) -> [Option<Subtrees<'_>>; 9] {
    let mut kinds: [Option<Subtrees<'_>>; 9] = Default::default();
    for subtree in subtrees {
        let kind = kinds[subtree.base.kind as usize].get_or_insert_default();
        if is_understood(subtree.base.kind) {
            kind.add(&subtree.base, exclude);
        }
    }
    kinds
}

fn is_well_formed(name: CertificateName<'_>) -> bool {
    match name.kind {
        Kind::IpAddress => matches!(name.value.len(), 4 | 16),
        Kind::DnsName => {
            let name = name.value.strip_suffix(b".").unwrap_or(name.value);
            is_host(name.strip_prefix(b"*.").unwrap_or(name))
        }
        Kind::Rfc822Name => {
            let (mailbox, host) = mailbox_of(name.value);
            !mailbox.is_empty() && !mailbox.contains(&b'@') && is_host(host)
        }
        Kind::UniformResourceIdentifier => {
            // 4.2.1.10: any constraint on URIs refuses a URI without a host, or with an IP address as its host.
            is_named_host(&uri_host(name.value))
        }
        _ => true,
    }
}

fn uri_host(uri: &[u8]) -> Vec<u8> {
    let mut host = Uri::new(uri).unwrap_or_default().host;
    if host.last() == Some(&b'.') {
        host.pop();
    }
    host
}

fn without_dot(host: &[u8]) -> &[u8] {
    host.strip_prefix(b".").unwrap_or(host)
}

fn shown(name: CertificateName<'_>) -> String {
    if let Some(directory) = name.name {
        return format!("the directory name {}", directory.shown());
    }
    let text = if name.kind == Kind::IpAddress {
        hex(name.value)
    } else {
        let ascii = |octet: &u8| {
            if octet.is_ascii() {
                char::from(*octet)
            } else {
                char::REPLACEMENT_CHARACTER
            }
        };
        name.value.iter().take(80).map(ascii).collect()
    };
    format!("{} {text}", name.kind.name())
}

#[cfg(test)]
mod tests;
