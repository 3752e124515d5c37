//! A metadata document, every node rendered once. Mirrors `imdskit.backends.python.document`.
//!
//! The document is read once, and its compact form written down as it is read. The JSON of a node is a piece of that of the whole; a listing, and the
//! text of a string that has escapes, stand in a second buffer.

use std::ops::Range;

use jiter::{Jiter, Peek};

const MAX_BRACKETS: usize = 100_000;
const MAX_DEPTH: usize = 32;

/// Octets of a document for each of its nodes, in documents of the service.
const TYPICAL_NODE: usize = 24;

/// How a node is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Compact JSON; a leaf has none.
    Json,
    /// The bare value of a leaf; of a container a listing, one child a line.
    Text,
}

/// Why there is nothing to give.
#[derive(Debug, PartialEq, Eq)]
pub enum SelectError {
    /// No node stands at the path.
    NotFound,
    /// The node is a leaf, and JSON was asked for.
    LeafNeedsText,
}

/// The bytes are no document; in words.
#[derive(Debug, PartialEq, Eq)]
pub struct BadDocument(pub String);

/// A document that is asked often. Immutable.
#[derive(Debug, Default)]
pub struct Document {
    /// The compact form of the whole.
    json: Vec<u8>,
    /// Names of members, listings, and strings without their escapes.
    text: Vec<u8>,
    /// The root is the last.
    nodes: Vec<Node>,
    /// (name, node) of the members of objects, by name in each, and of the elements of arrays.
    children: Vec<Child>,
}

type Child = (Range<usize>, usize);

/// Of the containers that are being read, their children so far; and whether each is a container itself.
type Open = Vec<(Child, bool)>;

#[derive(Debug)]
enum Node {
    /// Text: a piece of `json`.
    Plain(Range<usize>),
    /// Text: a piece of `text`.
    Unescaped(Range<usize>),
    /// JSON, listing, and the places of its children.
    Object(Range<usize>, Range<usize>, Range<usize>),
    /// The same.
    Array(Range<usize>, Range<usize>, Range<usize>),
}

impl Document {
    /// Parse and render.
    ///
    /// # Errors
    /// Not strict JSON, or more than 32 levels deep.
    pub fn new(data: &[u8]) -> Result<Self, BadDocument> {
        if memchr::memchr2_iter(b'{', b'[', data).count() > MAX_BRACKETS {
            return Err(BadDocument(format!("More than {MAX_BRACKETS} opening brackets.")));
        }
        let mut document = Self {
            json: Vec::with_capacity(data.len()),
            text: Vec::with_capacity(data.len()),
            nodes: Vec::with_capacity(data.len() / TYPICAL_NODE),
            children: Vec::with_capacity(data.len() / TYPICAL_NODE),
        };
        let mut reader = Jiter::new(data);
        let first = reader.peek().map_err(bad)?;
        document.read(&mut reader, data, first, 0, &mut Open::with_capacity(64))?;
        reader.finish().map_err(bad)?;
        Ok(document)
    }

    /// The node at `path`, rendered.
    ///
    /// # Errors
    /// There is none, or it is a leaf and has no JSON form.
    pub fn select<'k>(&self, path: impl IntoIterator<Item = &'k str>, form: Form) -> Result<&[u8], SelectError> {
        let mut node = self.nodes.last().ok_or(SelectError::NotFound)?;
        for name in path {
            node = self.child(node, name).ok_or(SelectError::NotFound)?;
        }
        match (form, node) {
            (Form::Text, Node::Plain(place)) | (Form::Json, Node::Object(place, ..) | Node::Array(place, ..)) => {
                Ok(&self.json[place.clone()])
            }
            (Form::Text, Node::Unescaped(place) | Node::Object(_, place, _) | Node::Array(_, place, _)) => Ok(&self.text[place.clone()]),
            (Form::Json, Node::Plain(_) | Node::Unescaped(_)) => Err(SelectError::LeafNeedsText),
        }
    }

    fn child(&self, node: &Node, name: &str) -> Option<&Node> {
        let child = match node {
            Node::Object(_, _, places) => {
                let members = &self.children[places.clone()];
                let place = members
                    .binary_search_by(|(member, _)| self.text[member.clone()].cmp(name.as_bytes()))
                    .ok()?;
                members[place].1
            }
            Node::Array(_, _, places) => {
                // An index is written without a sign and without zeros before it.
                let plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|octet| octet.is_ascii_digit()));
                let index: usize = if plain { name.parse().ok()? } else { return None };
                self.children[places.clone()].get(index)?.1
            }
            Node::Plain(_) | Node::Unescaped(_) => return None,
        };
        self.nodes.get(child)
    }

    /// Read a value and all below it; whether it is a container.
    fn read(&mut self, reader: &mut Jiter<'_>, data: &[u8], kind: Peek, depth: usize, open: &mut Open) -> Result<bool, BadDocument> {
        if depth > MAX_DEPTH {
            return Err(BadDocument(format!("The document is more than {MAX_DEPTH} levels deep.")));
        }
        match kind {
            Peek::Object => self.read_object(reader, data, depth, open)?,
            Peek::Array => self.read_array(reader, data, depth, open)?,
            Peek::String => {
                let start = reader.current_index();
                self.json.push(b'"');
                let place = append(&mut self.json, reader.known_str().map_err(bad)?);
                // An escape is longer than what it stands for.
                let node = if place.len() + 2 == reader.current_index() - start {
                    self.json.push(b'"');
                    Node::Plain(place)
                } else {
                    let text = String::from_utf8(self.json.split_off(place.start)).map_err(|error| BadDocument(error.to_string()))?;
                    self.json.truncate(place.start - 1);
                    quote(&mut self.json, &text);
                    Node::Unescaped(append(&mut self.text, &text))
                };
                self.nodes.push(node);
                return Ok(false);
            }
            _ => {
                let start = reader.current_index();
                reader.known_skip(kind).map_err(bad)?;
                let place = self.json.len();
                self.json.extend_from_slice(&data[start..reader.current_index()]);
                self.nodes.push(Node::Plain(place..self.json.len()));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_object(&mut self, reader: &mut Jiter<'_>, data: &[u8], depth: usize, open: &mut Open) -> Result<(), BadDocument> {
        let start = self.json.len();
        self.json.push(b'{');
        let first = open.len();
        let mut name = reader.known_object().map_err(bad)?.map(|name| self.name(name));
        while let Some(place) = name {
            let kind = reader.peek().map_err(bad)?;
            let container = self.read(reader, data, kind, depth + 1, open)?;
            open.push(((place, self.nodes.len() - 1), container));
            name = reader.next_key().map_err(bad)?.map(|name| {
                self.json.push(b',');
                self.name(name)
            });
        }
        self.json.push(b'}');
        let listing = self.list(&open[first..]);
        let places = self.close(open, first);
        let members = &mut self.children[places.clone()];
        members.sort_unstable_by(|(one, _), (other, _)| self.text[one.clone()].cmp(&self.text[other.clone()]));
        if members
            .windows(2)
            .any(|pair| self.text[pair[0].0.clone()] == self.text[pair[1].0.clone()])
        {
            return Err(BadDocument("A member occurs twice.".to_owned()));
        }
        self.nodes.push(Node::Object(start..self.json.len(), listing, places));
        Ok(())
    }

    fn read_array(&mut self, reader: &mut Jiter<'_>, data: &[u8], depth: usize, open: &mut Open) -> Result<(), BadDocument> {
        let start = self.json.len();
        self.json.push(b'[');
        let first = open.len();
        let mut kind = reader.known_array().map_err(bad)?;
        while let Some(next) = kind {
            if open.len() > first {
                self.json.push(b',');
            }
            let container = self.read(reader, data, next, depth + 1, open)?;
            let name = append(&mut self.text, (open.len() - first).to_string().as_str());
            open.push(((name, self.nodes.len() - 1), container));
            kind = reader.array_step().map_err(bad)?;
        }
        self.json.push(b']');
        let listing = self.list(&open[first..]);
        let places = self.close(open, first);
        self.nodes.push(Node::Array(start..self.json.len(), listing, places));
        Ok(())
    }

    /// Write the name of a member; where it stands in `text`.
    fn name(&mut self, name: &str) -> Range<usize> {
        quote(&mut self.json, name);
        self.json.push(b':');
        append(&mut self.text, name)
    }

    /// One child a line, containers with a slash behind them.
    fn list(&mut self, children: &[(Child, bool)]) -> Range<usize> {
        let start = self.text.len();
        for (index, ((name, _), container)) in children.iter().enumerate() {
            if index > 0 {
                self.text.push(b'\n');
            }
            self.text.extend_from_within(name.clone());
            if *container {
                self.text.push(b'/');
            }
        }
        start..self.text.len()
    }

    /// The children of a container that has come to its end, moved to where they stay.
    fn close(&mut self, open: &mut Open, first: usize) -> Range<usize> {
        let start = self.children.len();
        self.children.extend(open.drain(first..).map(|(child, _)| child));
        start..self.children.len()
    }
}

/// Write a string in its shortest form.
fn quote(json: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|octet| octet < b' ' || octet == b'"' || octet == b'\\') {
        json.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

/// Where in `buffer` it stands now.
fn append(buffer: &mut Vec<u8>, text: &str) -> Range<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(text.as_bytes());
    start..buffer.len()
}

#[allow(clippy::needless_pass_by_value)] // what `map_err` gives
fn bad(error: jiter::JiterError) -> BadDocument {
    BadDocument(error.error_type.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Document, Form, SelectError};

    fn path(text: &str) -> impl Iterator<Item = &str> {
        text.split('/').filter(|part| !part.is_empty())
    }

    #[test]
    fn nodes_are_rendered_in_both_forms() -> Result<(), super::BadDocument> {
        let document = Document::new(br#" {"a": {"b": "x\/\u00e9", "c": [1.50, null]}, "d": ""} "#)?;
        let select = |at: &str, form| document.select(path(at), form);
        assert_eq!(select("", Form::Text), Ok(&b"a/\nd"[..]));
        assert_eq!(select("a", Form::Json), Ok("{\"b\":\"x/\u{e9}\",\"c\":[1.50,null]}".as_bytes()));
        assert_eq!(select("a/c", Form::Text), Ok(&b"0\n1"[..]));
        assert_eq!(select("a/c/0", Form::Text), Ok(&b"1.50"[..]));
        assert_eq!(select("d", Form::Text), Ok(&b""[..]));
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
