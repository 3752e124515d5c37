//! An indexed JSON document, any node of which can be rendered as JSON or as text, as the metadata service does.
//!
//! [`Document::new`] reads the document once, validates it completely, and records where each node is. [`Document::select`] renders one node.

// Python counterpart: `backends/python/document.py`.

use std::borrow::Cow;
use std::ops::Range;

use jiter::{Jiter, Peek};

const MAX_BRACKETS: usize = 100_000;
const MAX_DEPTH: usize = 32;

/// Octets of a document for each of its nodes, in documents of the service.
const TYPICAL_NODE: usize = 24;

/// How a node is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Compact JSON. A leaf has no JSON form.
    Json,
    /// The bare value of a leaf, or the names of a container's children, one in each line.
    Text,
}

/// Why a node cannot be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectError {
    /// There is no node at the path.
    NotFound,
    /// The node is a leaf, and JSON was asked for.
    LeafNeedsText,
}

/// The bytes are not strict JSON. The text says what is wrong, as a plain sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDocument(pub String);

/// An immutable JSON document, indexed for many requests.
#[derive(Debug)]
pub struct Document {
    /// The document as it was given, and behind it the strings that have escapes there, without them.
    octets: Vec<u8>,
    /// Size of the document.
    given: usize,
    /// A container behind all that is in it; the root is the last.
    nodes: Vec<Node>,
    /// Those of one container side by side, in their order.
    children: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    /// Of a member; empty for an element.
    name: Range<usize>,
    node: usize,
}

#[derive(Debug)]
enum Node {
    /// A number, true, false or null.
    Literal(Range<usize>),
    /// Without its quotes.
    String(Range<usize>),
    /// The places of its children.
    Object(Range<usize>),
    /// The same.
    Array(Range<usize>),
}

/// What is needed while a document is read.
struct Reading<'d> {
    data: &'d [u8],
    reader: Jiter<'d>,
    /// The children so far of the containers that are being read.
    open: Vec<Child>,
    /// Names of one object, sorted.
    names: Vec<Range<usize>>,
}

impl Document {
    /// Parses and indexes a document.
    ///
    /// # Errors
    /// The document is not strict JSON, or is nested more than 32 levels deep.
    pub fn new(data: &[u8]) -> Result<Self, BadDocument> {
        if memchr::memchr2_iter(b'{', b'[', data).count() > MAX_BRACKETS {
            return Err(BadDocument(format!("More than {MAX_BRACKETS} opening brackets.")));
        }
        let mut document = Self {
            octets: data.to_vec(),
            given: data.len(),
            nodes: Vec::with_capacity(data.len() / TYPICAL_NODE),
            children: Vec::with_capacity(data.len() / TYPICAL_NODE),
        };
        let mut reading = Reading {
            data,
            reader: Jiter::new(data),
            open: Vec::with_capacity(64),
            names: Vec::with_capacity(64),
        };
        let first = reading.reader.peek().map_err(bad)?;
        document.read(&mut reading, first, 0)?;
        reading.reader.finish().map_err(bad)?;
        Ok(document)
    }

    /// Renders the node at `path`. Each item of the path is the name of a member or an index.
    ///
    /// # Errors
    /// There is no such node, or it is a leaf and `form` is [`Form::Json`].
    pub fn select<'k>(&self, path: impl IntoIterator<Item = &'k str>, form: Form) -> Result<Cow<'_, [u8]>, SelectError> {
        let mut node = self.nodes.last().ok_or(SelectError::NotFound)?;
        for name in path {
            node = self.child(node, name).ok_or(SelectError::NotFound)?;
        }
        match (form, node) {
            (Form::Text, Node::Literal(place) | Node::String(place)) => Ok(Cow::Borrowed(&self.octets[place.clone()])),
            (Form::Text, Node::Object(places) | Node::Array(places)) => Ok(Cow::Owned(self.listing(places))),
            (Form::Json, Node::Object(_) | Node::Array(_)) => {
                let mut json = Vec::with_capacity(self.given);
                self.render(node, &mut json);
                Ok(Cow::Owned(json))
            }
            (Form::Json, Node::Literal(_) | Node::String(_)) => Err(SelectError::LeafNeedsText),
        }
    }

    fn child(&self, node: &Node, name: &str) -> Option<&Node> {
        let child = match node {
            Node::Object(places) => self.children[places.clone()]
                .iter()
                .find(|child| self.octets[child.name.clone()] == *name.as_bytes())?,
            Node::Array(places) => {
                // An index is written without a sign and without zeros before it.
                let plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|octet| octet.is_ascii_digit()));
                let index: usize = if plain { name.parse().ok()? } else { return None };
                self.children[places.clone()].get(index)?
            }
            Node::Literal(_) | Node::String(_) => return None,
        };
        self.nodes.get(child.node)
    }

    /// One child a line, containers with a slash behind them.
    fn listing(&self, places: &Range<usize>) -> Vec<u8> {
        let mut listing = Vec::new();
        for (index, child) in self.children[places.clone()].iter().enumerate() {
            if index > 0 {
                listing.push(b'\n');
            }
            // A name of a member may be empty, too; an element has no place in the document for one.
            if child.name == NAMELESS {
                listing.extend_from_slice(index.to_string().as_bytes());
            } else {
                listing.extend_from_slice(&self.octets[child.name.clone()]);
            }
            if matches!(self.nodes[child.node], Node::Object(_) | Node::Array(_)) {
                listing.push(b'/');
            }
        }
        listing
    }

    /// Write the compact form of a node.
    fn render(&self, node: &Node, json: &mut Vec<u8>) {
        match node {
            Node::Literal(place) => json.extend_from_slice(&self.octets[place.clone()]),
            Node::String(place) => self.quote(place, json),
            Node::Object(places) => {
                json.push(b'{');
                for child in &self.children[places.clone()] {
                    self.quote(&child.name, json);
                    json.push(b':');
                    self.render(&self.nodes[child.node], json);
                    json.push(b',');
                }
                close(json, b'}');
            }
            Node::Array(places) => {
                json.push(b'[');
                for child in &self.children[places.clone()] {
                    self.render(&self.nodes[child.node], json);
                    json.push(b',');
                }
                close(json, b']');
            }
        }
    }

    /// Write a string in its shortest form, which it has in the document unless it has escapes there.
    fn quote(&self, place: &Range<usize>, json: &mut Vec<u8>) {
        if place.start < self.given {
            json.extend_from_slice(&self.octets[place.start - 1..=place.end]);
        } else {
            let text = String::from_utf8_lossy(&self.octets[place.clone()]);
            json.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        }
    }

    /// Read a value and all below it.
    fn read(&mut self, reading: &mut Reading<'_>, kind: Peek, depth: usize) -> Result<(), BadDocument> {
        if depth > MAX_DEPTH {
            return Err(BadDocument(format!("The document is more than {MAX_DEPTH} levels deep.")));
        }
        let node = match kind {
            Peek::Object => self.read_object(reading, depth)?,
            Peek::Array => self.read_array(reading, depth)?,
            Peek::String => {
                let text = reading.reader.known_str().map_err(bad)?;
                Node::String(place(text, reading.data, &mut self.octets))
            }
            _ => {
                let start = reading.reader.current_index();
                reading.reader.known_skip(kind).map_err(bad)?;
                Node::Literal(start..reading.reader.current_index())
            }
        };
        self.nodes.push(node);
        Ok(())
    }

    fn read_object(&mut self, reading: &mut Reading<'_>, depth: usize) -> Result<Node, BadDocument> {
        let first = reading.open.len();
        let mut member = reading.reader.known_object().map_err(bad)?;
        while let Some(name) = member {
            let name = place(name, reading.data, &mut self.octets);
            let kind = reading.reader.peek().map_err(bad)?;
            self.read(reading, kind, depth + 1)?;
            let node = self.nodes.len() - 1;
            reading.open.push(Child { name, node });
            member = reading.reader.next_key().map_err(bad)?;
        }
        reading.names.clear();
        reading.names.extend(reading.open[first..].iter().map(|child| child.name.clone()));
        let octets = |name: &Range<usize>| &self.octets[name.clone()];
        // Which takes no longer than to look at them if they are sorted, as the service's are.
        reading.names.sort_unstable_by(|one, other| octets(one).cmp(octets(other)));
        if reading.names.windows(2).any(|pair| octets(&pair[0]) == octets(&pair[1])) {
            return Err(BadDocument("A member occurs twice.".to_owned()));
        }
        Ok(Node::Object(self.keep(&mut reading.open, first)))
    }

    fn read_array(&mut self, reading: &mut Reading<'_>, depth: usize) -> Result<Node, BadDocument> {
        let first = reading.open.len();
        let mut element = reading.reader.known_array().map_err(bad)?;
        while let Some(kind) = element {
            self.read(reading, kind, depth + 1)?;
            let node = self.nodes.len() - 1;
            reading.open.push(Child { name: NAMELESS, node });
            element = reading.reader.array_step().map_err(bad)?;
        }
        Ok(Node::Array(self.keep(&mut reading.open, first)))
    }

    /// The children of a container that has come to its end, moved to where they stay.
    fn keep(&mut self, open: &mut Vec<Child>, first: usize) -> Range<usize> {
        let start = self.children.len();
        self.children.extend(open.drain(first..));
        start..self.children.len()
    }
}

/// Of an element. No name begins where the document does.
const NAMELESS: Range<usize> = 0..0;

/// Where a string of the document stands in `octets`. One with escapes is not part of `data`, and is put behind it.
fn place(text: &str, data: &[u8], octets: &mut Vec<u8>) -> Range<usize> {
    let mut start = text.as_ptr().addr().wrapping_sub(data.as_ptr().addr());
    if start >= data.len() {
        start = octets.len();
        octets.extend_from_slice(text.as_bytes());
    }
    start..start + text.len()
}

/// End a container: in place of the comma behind the last child, if there is one.
fn close(json: &mut Vec<u8>, end: u8) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.push(end);
}

#[allow(clippy::needless_pass_by_value)] // what `map_err` gives
fn bad(error: jiter::JiterError) -> BadDocument {
    BadDocument(error.error_type.to_string())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Document, Form, SelectError};

    fn path(text: &str) -> impl Iterator<Item = &str> {
        text.split('/').filter(|part| !part.is_empty())
    }

    #[test]
    fn nodes_are_rendered_in_both_forms() -> Result<(), super::BadDocument> {
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
    fn what_has_two_meanings_is_refused() {
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
