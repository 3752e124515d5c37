//! Scheme and host of a URI. Control characters and blanks before the URI are skipped, and so are tabs and line ends inside it. A host in
//! brackets is an IPv6 address or an `IPvFuture`.

// The results are the same as those of `urllib.parse.urlsplit` in Python, which the Python counterpart uses.

use std::net::Ipv6Addr;

/// The scheme and the host of a URI, in lower case. An absent part is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) scheme: Vec<u8>,
    pub(crate) host: Vec<u8>,
}

impl Uri {
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let start = text.iter().position(|octet| *octet > b' ').unwrap_or(text.len());
        let text: Vec<u8> = text[start..]
            .iter()
            .copied()
            .filter(|octet| !matches!(octet, b'\t' | b'\r' | b'\n'))
            .collect();
        let is_scheme = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
        let colon = text.iter().position(|octet| *octet == b':');
        let colon = colon.filter(|colon| text[0].is_ascii_alphabetic() && text[..*colon].iter().all(is_scheme));
        let (scheme, rest) = colon.map_or((&b""[..], &text[..]), |colon| (&text[..colon], &text[colon + 1..]));
        let mut host = Vec::new();
        if let Some(rest) = rest.strip_prefix(b"//") {
            let stop = rest
                .iter()
                .position(|octet| matches!(octet, b'/' | b'?' | b'#'))
                .unwrap_or(rest.len());
            host = host_of_authority(&rest[..stop])?;
        }
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            host,
        })
    }
}

fn host_of_authority(authority: &[u8]) -> Option<Vec<u8>> {
    match (after(authority, b'['), authority.contains(&b']')) {
        (None, false) => {}
        (Some(rest), true) if is_bracketed_host(before(rest, b']')) => {}
        _ => return None,
    }
    let host = authority
        .iter()
        .rposition(|octet| *octet == b'@')
        .map_or(authority, |at| &authority[at + 1..]);
    let host = after(host, b'[').map_or_else(|| before(host, b':'), |rest| before(rest, b']'));
    let address = before(host, b'%').len();
    let mut host = host.to_vec();
    host[..address].make_ascii_lowercase(); // the zone of an address keeps its case
    Some(host)
}

/// Returns the part after the first occurrence of a byte.
fn after(text: &[u8], octet: u8) -> Option<&[u8]> {
    text.iter().position(|one| *one == octet).map(|at| &text[at + 1..])
}

/// Returns the part before the first occurrence of a byte, or all of the text if there is none.
fn before(text: &[u8], octet: u8) -> &[u8] {
    &text[..text.iter().position(|one| *one == octet).unwrap_or(text.len())]
}

fn is_bracketed_host(host: &[u8]) -> bool {
    if let Some(future) = host.strip_prefix(b"v") {
        let digits = future.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        return digits > 0 && future.get(digits) == Some(&b'.') && future.len() > digits + 1;
    }
    std::str::from_utf8(host).is_ok_and(|text| ipv6_address(text).is_some())
}

/// Parses an IPv6 address. Also returns its zone, with the percent sign before it.
pub(crate) fn ipv6_address(text: &str) -> Option<(Ipv6Addr, &str)> {
    let (address, zone) = text.split_at(text.find('%').unwrap_or(text.len()));
    if zone == "%" || zone.get(1..).is_some_and(|zone| zone.contains('%')) {
        return None;
    }
    Some((address.parse().ok()?, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected values are results of `urlsplit` of Python 3.11.
    #[test]
    fn splits_uris_like_python() {
        for (text, wanted) in [
            ("http://Example.COM:80/x", Some(("http", "example.com"))),
            ("HTTP://user:p@w@host?x", Some(("http", "host"))),
            (" \x01ldap://a.b", Some(("ldap", "a.b"))),
            ("ht\ntp://a\t.b\r", Some(("http", "a.b"))),
            ("//a.b/c", Some(("", "a.b"))),
            ("urn:x", Some(("urn", ""))),
            ("1a://b", Some(("", ""))),
            ("a_b://c", Some(("", ""))),
            (":", Some(("", ""))),
            ("", Some(("", ""))),
            ("http://[::1]:80/", Some(("http", "::1"))),
            ("http://[FE80::1%Zone]/", Some(("http", "fe80::1%Zone"))),
            ("http://[v1.Abc]/", Some(("http", "v1.abc"))),
            ("http://[v1.]/", None),
            ("http://[1.2.3.4]/", None),
            ("http://[]/", None),
            ("http://[::1/", None),
            ("http://::1]/", None),
            ("http://\u{e9}/", None),
        ] {
            let wanted = wanted.map(|(scheme, host): (&str, &str)| Uri {
                scheme: scheme.into(),
                host: host.into(),
            });
            assert_eq!(Uri::new(text.as_bytes()), wanted, "{text}");
        }
    }
}
