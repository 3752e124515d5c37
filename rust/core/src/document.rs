//! An indexed JSON document. Each of its nodes can be rendered as JSON or as text, in the formats of the metadata service.
//!
//! [`Document::new`] reads the document once, validates it completely, and records where each node is. [`Document::select`] renders one
//! node.

// Python counterpart: `backends/python/document.py`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::Range;

use crate::strict_json::{self, Node, View};

const MAX_BRACKETS: usize = 100_000;
const MAX_DEPTH: usize = 32;

/// The format in which a node is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Compact JSON. A leaf has no JSON form.
    Json,
    /// The bare value of a leaf, or the names of a container's children, one in each line.
    Text,
}

/// The reason why a node cannot be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectError {
    /// There is no node at the path.
    NotFound,
    /// The node is a leaf, which has no JSON form.
    LeafNeedsText,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such node",
            Self::LeafNeedsText => "the node is a leaf, which has no JSON form",
        })
    }
}

impl Error for SelectError {}

/// The error for bytes that are not strict JSON. The text describes the problem in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDocument(pub String);

impl fmt::Display for BadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the document is not strict JSON: {}", self.0)
    }
}

impl Error for BadDocument {}

/// An immutable JSON document, indexed for many requests.
#[derive(Debug)]
pub struct Document {
    text: String,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses and indexes a document.
    ///
    /// # Errors
    /// Returns an error if the document is not strict JSON, is nested more than 32 levels deep, or has more than 100,000 opening brackets.
    pub fn new(data: &[u8]) -> Result<Self, BadDocument> {
        strict_json::index(data, MAX_BRACKETS, MAX_DEPTH)
            .map(|(text, nodes)| Self {
                text: text.to_owned(),
                nodes,
            })
            .map_err(|error| BadDocument(error.0.into_owned()))
    }

    /// Renders the node at `path`. Each item of the path is the name of a member or an index.
    ///
    /// # Errors
    /// Returns an error if there is no such node, or if it is a leaf and `form` is [`Form::Json`].
    pub fn select<'k>(&self, path: impl IntoIterator<Item = &'k str>, form: Form) -> Result<Cow<'_, [u8]>, SelectError> {
        let mut view = View::root(&self.text, &self.nodes);
        for name in path {
            view = child(view, name).ok_or(SelectError::NotFound)?;
        }
        match (form, view.node()) {
            (Form::Text, Node::Object(_) | Node::Array(_)) => Ok(Cow::Owned(listing(view).into_bytes())),
            (Form::Text, Node::Literal(range)) => Ok(Cow::Borrowed(&self.text.as_bytes()[range.clone()])),
            (Form::Text, Node::Plain(_) | Node::Escaped(_)) => Ok(match view.string().unwrap_or_default() {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
            (Form::Json, Node::Object(_) | Node::Array(_)) => {
                let mut json = Vec::with_capacity(self.text.len() + WIDE);
                self.render(view.position(), &mut json, 0);
                json.pop();
                Ok(Cow::Owned(json))
            }
            (Form::Json, _) => Err(SelectError::LeafNeedsText),
        }
    }

    /// Appends the compact form of the node at a position, followed by the byte `then`. Returns the position of the next node. The compact
    /// form is never longer than the node in the document.
    #[allow(clippy::inline_always)] // measured: rendering a tree takes a third less time
    #[inline(always)]
    fn render(&self, at: usize, json: &mut Vec<u8>, then: u8) -> usize {
        if let Node::Plain(range) = &self.nodes[at] {
            self.copy(range.start - 1..range.end + 1, json, then);
            return at + 1;
        }
        self.render_other(at, json, then)
    }

    /// Renders any node. It is separate from `render`, which handles the most frequent case inline: a string without escapes.
    fn render_other(&self, at: usize, json: &mut Vec<u8>, then: u8) -> usize {
        let mut next = at + 1;
        match &self.nodes[at] {
            Node::Literal(range) => self.copy(range.clone(), json, then),
            Node::Plain(range) => self.copy(range.start - 1..range.end + 1, json, then),
            Node::Escaped(range) => {
                quote(&strict_json::unescaped(&self.text[range.clone()]), json);
                json.push(then);
            }
            Node::Object(end) => {
                json.push(b'{');
                while next < *end {
                    next = self.render(next, json, b':');
                    next = self.render(next, json, b',');
                }
                close(json, [b'}', then]);
            }
            Node::Array(end) => {
                json.push(b'[');
                while next < *end {
                    next = self.render(next, json, b',');
                }
                close(json, [b']', then]);
            }
        }
        next
    }

    /// Appends a range of the document, followed by the byte `then`.
    #[allow(clippy::inline_always)] // as for `render`
    #[inline(always)]
    fn copy(&self, range: Range<usize>, json: &mut Vec<u8>, then: u8) {
        let bytes = self.text.as_bytes();
        let end = json.len() + range.len();
        match bytes[range.start..].first_chunk::<WIDE>() {
            // Copying a fixed number of bytes is faster than copying a variable number, even if more bytes than needed are copied.
            Some(more) if range.len() < WIDE => {
                json.extend_from_slice(more);
                json[end] = then;
                json.truncate(end + 1);
            }
            _ => {
                json.extend_from_slice(&bytes[range]);
                json.push(then);
            }
        }
    }
}

/// Number of bytes that [`Document::copy`] copies at once.
const WIDE: usize = 32;

fn child<'d, 'n>(view: View<'d, 'n>, name: &str) -> Option<View<'d, 'n>> {
    if view.is_object() {
        return view.get(name);
    }
    // An index has no sign and no leading zeros.
    let plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|octet| octet.is_ascii_digit()));
    view.elements().nth(plain.then(|| name.parse().ok())??)
}

/// Lists the names of the children, one on each line. A slash follows the name of a container.
fn listing(view: View<'_, '_>) -> String {
    let names = view.members().map(|(name, value)| (name.string().unwrap_or_default(), value));
    let indexes = view
        .elements()
        .enumerate()
        .map(|(index, value)| (Cow::Owned(index.to_string()), value));
    let mut listing = String::new();
    for (name, value) in names.chain(indexes) {
        listing.push_str(&name);
        listing.push_str(if matches!(value.node(), Node::Object(_) | Node::Array(_)) {
            "/\n"
        } else {
            "\n"
        });
    }
    listing.pop();
    listing
}

/// Appends a string in its shortest JSON form.
fn quote(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => json.extend([b'\\', octet]),
            0x08 => json.extend(b"\\b"),
            b'\t' => json.extend(b"\\t"),
            b'\n' => json.extend(b"\\n"),
            0x0C => json.extend(b"\\f"),
            b'\r' => json.extend(b"\\r"),
            0..0x20 => json.extend(format!("\\u{octet:04x}").bytes()),
            _ => json.push(octet),
        }
    }
    json.push(b'"');
}

/// Appends the two bytes of `end`, which end a container. They replace the comma after the last child, if the container has children.
fn close(json: &mut Vec<u8>, end: [u8; 2]) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.extend(end);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Document, Form, SelectError};

    fn path(text: &str) -> impl Iterator<Item = &str> {
        text.split('/').filter(|part| !part.is_empty())
    }

    #[test]
    fn renders_nodes_as_text_and_as_json() -> Result<(), super::BadDocument> {
        let document = Document::new(br#" {"a": {"b": "x\/\u00e9", "c": [1.50, null]}, "d": ""} "#)?;
        let select = |at: &str, form| document.select(path(at), form).map(Cow::into_owned);
        assert_eq!(select("", Form::Text), Ok(b"a/\nd".to_vec()));
        assert_eq!(select("a", Form::Json), Ok("{\"b\":\"x/\u{e9}\",\"c\":[1.50,null]}".into()));
        assert_eq!(select("a/c", Form::Text), Ok(b"0\n1".to_vec()));
        assert_eq!(select("a/c/0", Form::Text), Ok(b"1.50".to_vec()));
        assert_eq!(select("d", Form::Text), Ok(Vec::new()));
        assert_eq!(select("d", Form::Json), Err(SelectError::LeafNeedsText));
        assert_eq!(select("a/c/2", Form::Json), Err(SelectError::NotFound));
        Ok(())
    }

    #[test]
    fn rejects_documents_that_are_not_strict_json() {
        for data in [
            &b"{\"a\":1,\"\\u0061\":2}"[..],
            b"",
            b"{",
            b"NaN",
            b"\"\\ud800\"",
            b"\"\xff\"",
            b"{} {}",
            b"[01]",
        ] {
            assert!(Document::new(data).is_err(), "{data:?}");
        }
        assert!(Document::new("[".repeat(40).as_bytes()).is_err());
        assert!(Document::new(("[".repeat(40) + &"]".repeat(40)).as_bytes()).is_err());
    }
}
