//! Host names and mail addresses as text: the labels of a host name, and the mailbox and host of a mail address.

/// Converts a host name to lower case and reverses its labels, so that the most significant label comes first.
pub(crate) fn labels(host: &[u8]) -> Vec<u8> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let mut reversed = Vec::with_capacity(host.len());
    for label in host.rsplit(|octet| *octet == b'.') {
        if !reversed.is_empty() {
            reversed.push(b'.');
        }
        reversed.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    reversed
}

/// Returns the position of the end of each label in a result of [`labels`]. A prefix that ends at such a position is a parent domain or the
/// name itself.
pub(crate) fn ends_of_labels(labels: &[u8]) -> impl Iterator<Item = usize> {
    let dots = labels.iter().enumerate().filter(|(_, octet)| **octet == b'.').map(|(end, _)| end);
    dots.chain((!labels.is_empty()).then_some(labels.len()))
}

/// Splits an address at the last at sign into mailbox and host. Without an at sign, the mailbox is empty and the whole address is the
/// host.
pub(crate) fn mailbox_of(address: &[u8]) -> (&[u8], &[u8]) {
    match address.iter().rposition(|octet| *octet == b'@') {
        Some(at) => (&address[..at], &address[at + 1..]),
        None => (b"", address),
    }
}

/// Returns whether a name consists of labels of letters, digits, underscores and inner hyphens. No label may be empty or too long.
pub(crate) fn is_host(name: &[u8]) -> bool {
    name.len() <= 253 && name.split(|octet| *octet == b'.').all(is_label)
}

/// Returns whether the text is one label as described at [`is_host`].
pub(crate) fn is_label(label: &[u8]) -> bool {
    let end = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
    label.len() <= 63
        && label.first().is_some_and(end)
        && label.last().is_some_and(end)
        && label.iter().all(|octet| end(octet) || *octet == b'-')
}

/// Returns whether the text is a host name and not an IPv4 address.
pub(crate) fn is_named_host(name: &[u8]) -> bool {
    is_host(name) && !name.iter().all(|octet| octet.is_ascii_digit() || *octet == b'.')
}
