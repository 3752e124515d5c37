//! A strict JSON parser (RFC 8259, RFC 7493 sections 2.1 to 2.3). Every accepted text has one meaning: it is UTF-8, no object has two
//! members with the same name, there are no lone surrogates, and the nesting depth is bounded.
//!
//! [`index`] validates a text completely and records the position of each value. [`View`] finds values with these positions. The scanner
//! reads every byte once and looks up each name once, so indexing takes time linear in the length of the text.

// Python counterpart: `strict_json.py`.

mod scanner;
mod values;

use std::borrow::Cow;

pub(crate) use crate::strict_json::values::{Node, View, unescaped};

/// The error for a text that is not strict JSON. It describes the problem in a sentence.
#[derive(Debug)]
pub(crate) struct JsonError(pub(crate) Cow<'static, str>);

/// Maximum nesting depth, independent of the limit on brackets, so that a generous limit on brackets cannot overflow the stack.
// Equal to `contract.MAX_JSON_BRACKETS` in Python, the greatest limit on brackets that a caller can set. A text with at most this many
// brackets is never nested deeper.
pub(crate) const MAX_DEPTH: usize = 256;

/// Returns `data` as text, and its nodes. The first node is the root.
///
/// `brackets` limits the number of opening braces and brackets, including those in strings. `depth` limits the number of containers around
/// a value.
pub(crate) fn index(data: &[u8], brackets: usize, depth: usize) -> Result<(&str, Vec<Node>), JsonError> {
    if data.len() > brackets && memchr::memchr2_iter(b'{', b'[', data).count() > brackets {
        return Err(JsonError(format!("More than {brackets} opening brackets.").into()));
    }
    let text = std::str::from_utf8(data).map_err(|error| JsonError(format!("Not UTF-8 at byte {}.", error.valid_up_to()).into()))?;
    match scanner::nodes(text, depth) {
        Ok(nodes) => Ok((text, nodes)),
        Err((what, at)) => Err(JsonError(format!("{what} at byte {at}.").into())),
    }
}

#[cfg(test)]
mod tests;
