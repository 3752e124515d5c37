//! Compares the JSON index of `imdskit-core` with serde_json. Both must accept the same documents, and every node must have the same
//! value.

#![no_main]

use std::collections::HashSet;
use std::fmt;

use imdskit_core::document::{Document, Form, SelectError};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Maximum depth and maximum number of brackets of a document.
const DEPTH: usize = 32;
const BRACKETS: usize = 100_000;

/// The members of an object in their order, including duplicates.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        source.deserialize_map(Read)
    }
}

enum Node {
    /// The text form of a leaf.
    Leaf(String),
    Object(Vec<(String, Node)>),
    Array(Vec<(String, Node)>),
}

/// Parses a text with serde_json. Returns `None` if it is not JSON, has a duplicate name, or is nested too deeply.
fn read(text: &str, depth: usize) -> Option<Node> {
    if depth > DEPTH {
        return None;
    }
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            let mut names = HashSet::new();
            let mut found = Vec::new();
            for (name, value) in members {
                if !names.insert(name.clone()) {
                    return None;
                }
                found.push((name, read(value.get(), depth + 1)?));
            }
            Node::Object(found)
        }
        b'[' => {
            let elements: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            let elements = elements.iter().enumerate();
            Node::Array(
                elements
                    .map(|(index, value)| Some((index.to_string(), read(value.get(), depth + 1)?)))
                    .collect::<Option<_>>()?,
            )
        }
        b'"' => Node::Leaf(serde_json::from_str(text).ok()?),
        _ => Node::Leaf(text.to_owned()),
    })
}

fn compare(document: &Document, node: &Node, path: &mut Vec<String>) {
    let select = |form| document.select(path.iter().map(String::as_str), form);
    match node {
        Node::Leaf(text) => {
            assert_eq!(select(Form::Text).as_deref(), Ok(text.as_bytes()));
            assert_eq!(select(Form::Json), Err(SelectError::LeafNeedsText));
        }
        Node::Object(children) | Node::Array(children) => {
            let json = select(Form::Json).expect("a container");
            let again: &RawValue = serde_json::from_slice(&json).expect("our output is JSON");
            assert!(same(&read(again.get(), path.len()).expect("our output is strict"), node));
            let line = |(name, child): &(String, Node)| {
                if matches!(child, Node::Leaf(_)) {
                    name.clone()
                } else {
                    format!("{name}/")
                }
            };
            let listing: Vec<String> = children.iter().map(line).collect();
            assert_eq!(select(Form::Text).as_deref(), Ok(listing.join("\n").as_bytes()));
            for (name, child) in children {
                path.push(name.clone());
                compare(document, child, path);
                path.pop();
            }
        }
    }
}

fn same(one: &Node, other: &Node) -> bool {
    let all = |one: &[(String, Node)], other: &[(String, Node)]| {
        one.len() == other.len()
            && one
                .iter()
                .zip(other)
                .all(|((name, child), (named, other))| name == named && same(child, other))
    };
    match (one, other) {
        (Node::Leaf(one), Node::Leaf(other)) => one == other,
        (Node::Object(one), Node::Object(other)) | (Node::Array(one), Node::Array(other)) => all(one, other),
        _ => false,
    }
}

fuzz_target!(|input: &[u8]| {
    let brackets = input.iter().filter(|octet| matches!(octet, b'{' | b'[')).count();
    // serde_json does not check the strings inside raw values, so `read` checks each of them.
    let other = (brackets <= BRACKETS)
        .then_some(input)
        .and_then(|input| serde_json::from_slice::<&RawValue>(input).ok())
        .and_then(|raw| read(raw.get(), 0));
    match (Document::new(input), other) {
        (Ok(document), Some(root)) => compare(&document, &root, &mut Vec::new()),
        (Err(_), None) => {}
        (ours, other) => panic!("accepted by imdskit-core: {}, by serde_json: {}", ours.is_ok(), other.is_some()),
    }
});
