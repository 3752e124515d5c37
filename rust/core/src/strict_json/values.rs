//! Values of an indexed JSON text.

use std::borrow::Cow;
use std::ops::Range;

/// A value in a text, or the name of a member.
#[derive(Debug)]
pub(crate) enum Node {
    /// A number, true, false or null, as written.
    Literal(Range<usize>),
    /// A string without escapes; the range excludes the quotation marks.
    Plain(Range<usize>),
    /// A string with escapes; the range excludes the quotation marks.
    Escaped(Range<usize>),
    /// An object. It contains all nodes between this one and the given position. Each name is followed by its value and the contents of
    /// that value.
    Object(usize),
    /// An array. It contains all nodes between this one and the given position.
    Array(usize),
}

/// A reference to a value in an indexed text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'d, 'n> {
    text: &'d str,
    nodes: &'n [Node],
    at: usize,
}

impl<'d, 'n> View<'d, 'n> {
    /// Returns the view of the root. The arguments are the result of [`super::index`].
    pub(crate) fn root(text: &'d str, nodes: &'n [Node]) -> Self {
        Self::at(text, nodes, 0)
    }

    /// Returns the view of the value at this index of the nodes.
    pub(crate) fn at(text: &'d str, nodes: &'n [Node], at: usize) -> Self {
        Self { text, nodes, at }
    }

    /// Returns the index of the value among the nodes.
    pub(crate) fn position(self) -> usize {
        self.at
    }

    pub(crate) fn node(self) -> &'n Node {
        &self.nodes[self.at]
    }

    pub(crate) fn is_object(self) -> bool {
        matches!(self.node(), Node::Object(_))
    }

    /// Returns the value of a string, or the name of a member.
    pub(crate) fn string(self) -> Option<Cow<'d, str>> {
        match self.node() {
            Node::Plain(range) => Some(Cow::Borrowed(&self.text[range.clone()])),
            Node::Escaped(range) => Some(Cow::Owned(unescaped(&self.text[range.clone()]))),
            _ => None,
        }
    }

    /// Returns the value of the member with this name. Returns `None` if there is no such member or the view is not of an object.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        self.members().find(|(other, _)| other.is(name)).map(|(_, value)| value)
    }

    fn is(self, name: &str) -> bool {
        match self.node() {
            Node::Plain(range) => self.text.as_bytes()[range.clone()] == *name.as_bytes(),
            _ => self.string().is_some_and(|other| other == name),
        }
    }

    /// Returns an iterator over the names and values of an object. It is empty for other values.
    pub(crate) fn members(self) -> impl Iterator<Item = (Self, Self)> {
        let (mut at, end) = match self.node() {
            Node::Object(end) => (self.at + 1, *end),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            let found = (at < end).then_some((Self { at, ..self }, Self { at: at + 1, ..self }))?;
            at = found.1.end();
            Some(found)
        })
    }

    /// Returns an iterator over the elements of an array. It is empty for other values.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        let (mut at, end) = match self.node() {
            Node::Array(end) => (self.at + 1, *end),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            let found = (at < end).then_some(Self { at, ..self })?;
            at = found.end();
            Some(found)
        })
    }

    /// Returns the position after the value and everything inside it.
    fn end(self) -> usize {
        match self.node() {
            Node::Object(end) | Node::Array(end) => *end,
            _ => self.at + 1,
        }
    }
}

/// Decodes the escapes of a string that the scanner has accepted.
pub(crate) fn unescaped(raw: &str) -> String {
    let mut whole = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some(plain) = memchr::memchr(b'\\', &raw.as_bytes()[at..]) {
        whole.push_str(&raw[at..at + plain]);
        let Ok((character, end)) = escape(raw.as_bytes(), at + plain) else {
            break;
        };
        whole.push(character);
        at = end;
    }
    whole.push_str(&raw[at..]);
    whole
}

/// Decodes the escape at `at`. Returns the character and the position after the escape.
pub(crate) fn escape(octets: &[u8], at: usize) -> Result<(char, usize), &'static str> {
    let character = match octets.get(at + 1) {
        Some(octet @ (b'"' | b'\\' | b'/')) => char::from(*octet),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return character(octets, at),
        _ => return Err("An escape that does not exist"),
    };
    Ok((character, at + 2))
}

/// Decodes the `\u` escape at `at`. A surrogate pair consists of two such escapes. Returns the character and the position after its
/// escapes.
fn character(octets: &[u8], at: usize) -> Result<(char, usize), &'static str> {
    let first = unit(octets, at)?;
    let (units, end) = if matches!(first, 0xD800..=0xDBFF) && octets[at + 6..].starts_with(b"\\u") {
        ([first, unit(octets, at + 6)?], at + 12)
    } else {
        ([first, 0], at + 6)
    };
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => Ok((character, end)),
        _ => Err("Half of a surrogate pair in a string"),
    }
}

/// Returns the number that the four hexadecimal digits of the `\u` escape at `at` stand for.
fn unit(octets: &[u8], at: usize) -> Result<u16, &'static str> {
    let digits = octets.get(at + 2..at + 6);
    let unit = digits.and_then(|digits| {
        digits.iter().try_fold(0_u16, |unit, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(digit).ok()?)
        })
    });
    unit.ok_or("An escape without four hexadecimal digits")
}
