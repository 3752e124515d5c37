//! The scanner, which reads a JSON text once, from the beginning to the end.

use std::collections::HashSet;
use std::ops::Range;

use crate::strict_json::values::{Node, View, escape, unescaped};

/// Typical number of bytes per node in documents of the service.
const TYPICAL_NODE: usize = 8;
/// Maximum number of nodes for which memory is reserved before parsing.
const MAX_ROOM: usize = 1024;

/// Maximum number of members whose names are compared pairwise.
pub(super) const FEW: usize = 8;

const CONTROL: &str = "A control character in a string";

/// Returns the nodes of a text. If the text is not strict JSON, returns the problem and its position.
pub(crate) fn nodes(text: &str, max_depth: usize) -> Result<Vec<Node>, (&'static str, usize)> {
    let mut scanner = Scanner {
        text,
        max_depth,
        nodes: Vec::with_capacity((text.len() / TYPICAL_NODE).min(MAX_ROOM) + 1),
        keys: Vec::with_capacity(64),
        table: Vec::new(),
        fault: ("", 0),
    };
    let end = scanner.value(0, 0).map(|end| scanner.skip_blanks(end));
    if end.is_some_and(|end| end < text.len()) {
        scanner.fail("Something follows the value", end.unwrap_or(0));
    }
    match scanner.fault {
        ("", _) => Ok(scanner.nodes),
        fault => Err(fault),
    }
}

/// Constants that treat a word as eight bytes: each byte is 1 in `ONES` and 0x80 in `HIGH`.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Marks the bytes of `word` that end a run of plain characters: quotation marks, backslashes and control characters. In the result, the
/// top bit of each such byte is set. Only the lowest set bit is reliable, because a borrow may set bits above it.
const fn stops(word: u64) -> u64 {
    // The XOR exchanges the quotation mark (0x22) and the blank (0x20). Then only quotation marks and control characters are below 0x21.
    let low = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5C)).wrapping_sub(ONES);
    (low | backslash) & !word & HIGH
}

/// Returns a hash of a name that is never zero. It depends on the length and on the first and last eight bytes of the name.
///
/// `range` is the position of the name in `data`.
pub(super) fn key(data: &[u8], range: Range<usize>) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let length = range.len();
    let word = |start: usize| {
        data.get(start..)
            .and_then(|rest| rest.first_chunk())
            .map(|octets| u64::from_le_bytes(*octets))
    };
    let (first, last) = match word(range.start) {
        Some(first) if length < 8 => (first & !(u64::MAX << (8 * length)), 0),
        Some(first) => (first, word(range.end - 8).unwrap_or(0)),
        None => (data[range].iter().rev().fold(0, |sum, octet| sum << 8 | u64::from(*octet)), 0),
    };
    let product = u128::from(first ^ last.rotate_left(23) ^ length as u64) * u128::from(FACTOR);
    #[allow(clippy::cast_possible_truncation)] // keeps each half once
    let key = (product >> 64) as u64 ^ product as u64;
    key.max(1)
}

/// A parser that reads a text from the beginning to the end.
///
/// Its methods take the position at which they start and return the position at which they end, or `None` if there is a fault. Positions
/// are always at the start of a character.
struct Scanner<'d> {
    text: &'d str,
    max_depth: usize,
    nodes: Vec<Node>,
    /// The keys of the names read so far, for every object that is still open; see [`key`].
    keys: Vec<u64>,
    /// A hash table of the keys of one object.
    table: Vec<u64>,
    /// The description of the first fault, and its position. The description is empty if there is no fault.
    fault: (&'static str, usize),
}

impl Scanner<'_> {
    #[cold]
    fn fail(&mut self, what: &'static str, at: usize) -> Option<usize> {
        self.fault = (what, at);
        None
    }

    fn peek(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn skip_blanks(&self, mut at: usize) -> usize {
        while self
            .peek(at)
            .is_some_and(|octet| octet <= b' ' && matches!(octet, b' ' | b'\t' | b'\n' | b'\r'))
        {
            at += 1;
        }
        at
    }

    #[allow(clippy::inline_always)] // measured: with #[inline] alone, indexing takes a tenth longer
    #[inline(always)]
    fn value(&mut self, at: usize, depth: usize) -> Option<usize> {
        if depth > self.max_depth {
            return self.fail("Too many levels", at);
        }
        let at = self.skip_blanks(at);
        match self.peek(at) {
            Some(b'"') => self.string(at),
            _ => self.other_value(at, depth),
        }
    }

    /// Parses a value that is not a string.
    fn other_value(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.peek(at) {
            Some(b'{') => self.members(at, depth),
            Some(b'[') => self.items(at, depth),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            _ => self.literal(at),
        }
    }

    fn members(&mut self, at: usize, depth: usize) -> Option<usize> {
        let (object, first) = (self.nodes.len(), self.keys.len());
        self.nodes.push(Node::Object(object + 1));
        let mut at = self.skip_blanks(at + 1);
        if self.peek(at) == Some(b'}') {
            return Some(at + 1);
        }
        loop {
            if self.peek(at) != Some(b'"') {
                return self.fail("A member without a name", at);
            }
            let end = self.string(at)?;
            let range = at + 1..end - 1;
            let key = if let Some(Node::Escaped(_)) = self.nodes.last() {
                let name = unescaped(&self.text[range]);
                key(name.as_bytes(), 0..name.len())
            } else {
                key(self.text.as_bytes(), range)
            };
            self.keys.push(key);
            at = self.skip_blanks(end);
            if self.peek(at) != Some(b':') {
                return self.fail("No colon after a name", at);
            }
            at = self.value(at + 1, depth + 1)?;
            at = self.skip_blanks(at);
            match self.peek(at) {
                Some(b',') => at = self.skip_blanks(at + 1),
                Some(b'}') => break,
                _ => return self.fail("Neither a comma nor the end of an object", at),
            }
        }
        self.nodes[object] = Node::Object(self.nodes.len());
        if self.may_have_duplicates(first) && self.has_duplicates(object) {
            return self.fail("A member occurs twice in an object that ends", at);
        }
        self.keys.truncate(first);
        Some(at + 1)
    }

    /// Returns true if two keys from `first` on are equal, or if too many keys collide. Only then does the parser compare the names
    /// themselves.
    fn may_have_duplicates(&mut self, first: usize) -> bool {
        let keys = &self.keys[first..];
        if keys.len() <= FEW {
            return keys.iter().enumerate().any(|(index, key)| keys[..index].contains(key));
        }
        let size = (2 * keys.len()).next_power_of_two();
        self.table.clear();
        self.table.resize(size, 0);
        let mut collisions = keys.len();
        for &key in keys {
            #[allow(clippy::cast_possible_truncation)] // the mask keeps fewer bits
            let mut slot = key as usize & (size - 1);
            while self.table[slot] != 0 {
                // An attacker can choose names whose keys collide. If there are too many collisions, the caller looks for duplicates
                // with the standard library's hash table, whose hash has a secret key.
                if self.table[slot] == key || collisions == 0 {
                    return true;
                }
                collisions -= 1;
                slot = (slot + 1) & (size - 1);
            }
            self.table[slot] = key;
        }
        false
    }

    #[cold]
    fn has_duplicates(&self, object: usize) -> bool {
        let mut seen = HashSet::new();
        !View::at(self.text, &self.nodes, object)
            .members()
            .all(|(name, _)| seen.insert(name.string()))
    }

    fn items(&mut self, at: usize, depth: usize) -> Option<usize> {
        let array = self.nodes.len();
        self.nodes.push(Node::Array(array + 1));
        let mut at = self.skip_blanks(at + 1);
        if self.peek(at) == Some(b']') {
            return Some(at + 1);
        }
        loop {
            at = self.value(at, depth + 1)?;
            at = self.skip_blanks(at);
            match self.peek(at) {
                Some(b',') => at += 1,
                Some(b']') => break,
                _ => return self.fail("Neither a comma nor the end of an array", at),
            }
        }
        self.nodes[array] = Node::Array(self.nodes.len());
        Some(at + 1)
    }

    /// Parses a string from its opening to its closing quotation mark.
    #[allow(clippy::inline_always)] // as for `value`
    #[inline(always)]
    fn string(&mut self, at: usize) -> Option<usize> {
        let end = self.plain(at + 1)?;
        if self.peek(end) != Some(b'"') {
            return self.escaped(at, end);
        }
        self.nodes.push(Node::Plain(at + 1..end));
        Some(end + 1)
    }

    /// Parses the rest of a string from its first escape on.
    #[cold]
    fn escaped(&mut self, at: usize, mut end: usize) -> Option<usize> {
        while self.peek(end) != Some(b'"') {
            end = match escape(self.text.as_bytes(), end) {
                Ok((_, behind)) => self.plain(behind)?,
                Err(what) => return self.fail(what, end),
            };
        }
        self.nodes.push(Node::Escaped(at + 1..end));
        Some(end + 1)
    }

    /// Skips to the next quotation mark or backslash.
    #[allow(clippy::inline_always)] // as for `value`
    #[inline(always)]
    fn plain(&mut self, mut at: usize) -> Option<usize> {
        // Most strings are short, so a few steps of eight bytes find the end.
        for _ in 0..4 {
            let Some(octets) = self.text.as_bytes().get(at..).and_then(|rest| rest.first_chunk()) else {
                break;
            };
            let found = stops(u64::from_le_bytes(*octets));
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                return if self.peek(at) < Some(b' ') {
                    self.fail(CONTROL, at)
                } else {
                    Some(at)
                };
            }
            at += 8;
        }
        self.long_plain(at)
    }

    #[inline(never)]
    fn long_plain(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text.as_bytes()[at..];
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
            return self.fail("A string without an end", at);
        };
        // The loop has no early exit, so that the compiler can vectorize it.
        if rest[..stop].iter().fold(0, |found, octet| found | u8::from(*octet < b' ')) != 0 {
            return self.fail(CONTROL, at);
        }
        Some(at + stop)
    }

    fn digits(&mut self, at: usize) -> Option<usize> {
        let count = self.text.as_bytes()[at..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        if count == 0 {
            return self.fail("A digit is missing", at);
        }
        Some(at + count)
    }

    fn number(&mut self, start: usize) -> Option<usize> {
        let mut at = start + usize::from(self.peek(start) == Some(b'-'));
        at = if self.peek(at) == Some(b'0') { at + 1 } else { self.digits(at)? };
        if self.peek(at) == Some(b'.') {
            at = self.digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.peek(at) {
            let sign = matches!(self.peek(at + 1), Some(b'+' | b'-'));
            at = self.digits(at + 1 + usize::from(sign))?;
        }
        self.nodes.push(Node::Literal(start..at));
        Some(at)
    }

    fn literal(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text.as_bytes()[at..];
        let Some(literal) = ["null", "true", "false"]
            .iter()
            .find(|literal| rest.starts_with(literal.as_bytes()))
        else {
            return self.fail("No JSON value", at);
        };
        self.nodes.push(Node::Literal(at..at + literal.len()));
        Some(at + literal.len())
    }
}
