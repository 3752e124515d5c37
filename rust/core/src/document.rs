//! A metadata document, every node rendered once. Mirrors `imdskit.backends.python.document`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

const MAX_BRACKETS: usize = 100_000;
const MAX_DEPTH: usize = 32;

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

#[derive(Debug)]
struct Rendered {
    json: Option<Vec<u8>>,
    text: Vec<u8>,
}

/// A document that is asked often. Immutable.
#[derive(Debug)]
pub struct Document {
    nodes: HashMap<Vec<String>, Rendered>,
}

impl Document {
    /// Parse and render.
    ///
    /// # Errors
    /// Not strict JSON, or more than 32 levels deep.
    pub fn new(data: &[u8]) -> Result<Self, BadDocument> {
        if data.iter().filter(|&&byte| byte == b'{' || byte == b'[').count() > MAX_BRACKETS {
            return Err(BadDocument(format!("More than {MAX_BRACKETS} opening brackets.")));
        }
        let root: &RawValue = serde_json::from_slice(data).map_err(|error| BadDocument(error.to_string()))?;
        let mut document = Self { nodes: HashMap::new() };
        document.index(&mut Vec::new(), root)?;
        Ok(document)
    }

    /// The node at `path`, rendered.
    ///
    /// # Errors
    /// There is none, or it is a leaf and has no JSON form.
    pub fn select(&self, path: &[String], form: Form) -> Result<&[u8], SelectError> {
        let node = self.nodes.get(path).ok_or(SelectError::NotFound)?;
        match form {
            Form::Text => Ok(&node.text),
            Form::Json => node.json.as_deref().ok_or(SelectError::LeafNeedsText),
        }
    }

    /// Render the node and all below it; whether it is a container, and its JSON.
    fn index(&mut self, path: &mut Vec<String>, value: &RawValue) -> Result<(bool, Vec<u8>), BadDocument> {
        if path.len() > MAX_DEPTH {
            return Err(BadDocument(format!("The document is more than {MAX_DEPTH} levels deep.")));
        }
        let raw = value.get();
        match raw.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = parse(raw)?;
                let children = members.into_iter().map(|(name, child)| Ok((Some(to_json(&name)?), name, child)));
                self.index_container(path, children, b'{', b'}')
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = parse(raw)?;
                let children = items.into_iter().enumerate().map(|(i, child)| Ok((None, i.to_string(), child)));
                self.index_container(path, children, b'[', b']')
            }
            first => {
                let (json, text) = if first == Some(&b'"') {
                    let text: String = parse(raw)?;
                    (to_json(&text)?, text.into_bytes())
                } else {
                    (raw.as_bytes().to_vec(), raw.as_bytes().to_vec())
                };
                self.nodes.insert(path.clone(), Rendered { json: None, text });
                Ok((false, json))
            }
        }
    }

    fn index_container<'a>(
        &mut self,
        path: &mut Vec<String>,
        children: impl Iterator<Item = Result<(Option<Vec<u8>>, String, &'a RawValue), BadDocument>>,
        open: u8,
        close: u8,
    ) -> Result<(bool, Vec<u8>), BadDocument> {
        let mut json = vec![open];
        let mut text = Vec::new();
        for child in children {
            let (label, name, value) = child?;
            if json.len() > 1 {
                json.push(b',');
                text.push(b'\n');
            }
            text.extend_from_slice(name.as_bytes());
            path.push(name);
            let (container, rendered) = self.index(path, value)?;
            path.pop();
            if container {
                text.push(b'/');
            }
            if let Some(label) = label {
                json.extend_from_slice(&label);
                json.push(b':');
            }
            json.extend_from_slice(&rendered);
        }
        json.push(close);
        let rendered = json.clone();
        self.nodes.insert(path.clone(), Rendered { json: Some(json), text });
        Ok((true, rendered))
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, BadDocument> {
    serde_json::from_str(raw).map_err(|error| BadDocument(error.to_string()))
}

fn to_json(text: &str) -> Result<Vec<u8>, BadDocument> {
    serde_json::to_vec(text).map_err(|error| BadDocument(error.to_string()))
}

/// The members of an object in their order, none of them twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut seen = HashSet::new();
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom("A member occurs twice."));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Form, SelectError};

    fn path(text: &str) -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn nodes_are_rendered_in_both_forms() -> Result<(), super::BadDocument> {
        let document = Document::new(br#" {"a": {"b": "x\/\u00e9", "c": [1.50, null]}, "d": ""} "#)?;
        let select = |at: &str, form| document.select(&path(at), form);
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
