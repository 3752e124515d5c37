//! JSON that has one meaning only (RFC 8259, RFC 7493 sections 2.1 to 2.3): UTF-8, no member twice, no lone surrogates, bounded depth.
//!
//! The twin of `backends/python/strict_json.py`. The grammar is `serde_json`'s.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Not strict JSON; in words.
#[derive(Debug)]
pub(crate) struct JsonError(pub(crate) String);

/// A JSON value, as far as anybody here asks: what an array holds, and what a number is worth, is nobody's business.
#[derive(Debug)]
pub(crate) enum Value<'d> {
    Object(Members<'d>),
    String(Cow<'d, str>),
    Other,
}

/// Members of an object, in order; no name twice.
#[derive(Debug)]
pub(crate) struct Members<'d>(Vec<(Cow<'d, str>, Value<'d>)>);

/// Below so many members they are compared with one another.
const FEW: usize = 16;

impl<'d> Members<'d> {
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'d>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn has_doubles(&self) -> bool {
        if self.0.len() <= FEW {
            return self
                .0
                .iter()
                .enumerate()
                .any(|(index, (name, _))| self.0[..index].iter().any(|(other, _)| other == name));
        }
        let mut seen = HashSet::with_capacity(self.0.len());
        !self.0.iter().all(|(name, _)| seen.insert(name))
    }
}

/// Whatever the bound on brackets is, for the stack has one too. Python's own is near 1000.
const MAX_DEPTH: usize = 512;

/// The value of a JSON text with at most so many opening braces and brackets, those in strings included.
pub(crate) fn loads(data: &[u8], brackets: usize) -> Result<Value<'_>, JsonError> {
    if memchr::memchr2_iter(b'{', b'[', data).count() > brackets {
        return Err(JsonError(format!("More than {brackets} opening brackets.")));
    }
    if let Some(value) = read_plainly(data) {
        return Ok(value);
    }
    serde_json::from_slice(data).or_else(|_| read_carefully(data))
}

/// What machines write: objects and strings, printable ASCII without escapes, without blanks between. None for anything else, good or bad.
fn read_plainly(data: &[u8]) -> Option<Value<'_>> {
    // To the end in any case, so that many octets are looked at at a time.
    let others = data
        .iter()
        .fold(0_u8, |others, octet| others | u8::from(!matches!(octet, b' '..=b'[' | b']'..=b'~')));
    let text = if others == 0 {
        std::str::from_utf8(data).ok()?
    } else {
        return None;
    };
    let (value, rest) = plain_value(text, 0)?;
    rest.is_empty().then_some(value)
}

fn plain_value(text: &str, depth: usize) -> Option<(Value<'_>, &str)> {
    if text.starts_with('"') {
        return plain_string(text).map(|(string, rest)| (Value::String(Cow::Borrowed(string)), rest));
    }
    let mut rest = text.strip_prefix('{').filter(|_| depth < 8)?;
    let mut members = Members(Vec::with_capacity(8));
    loop {
        let (name, after) = plain_string(rest)?;
        let (value, after) = plain_value(after.strip_prefix(':')?, depth + 1)?;
        members.0.push((Cow::Borrowed(name), value));
        if let Some(after) = after.strip_prefix('}') {
            return (!members.has_doubles()).then_some((Value::Object(members), after));
        }
        rest = after.strip_prefix(',')?;
    }
}

fn plain_string(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let end = memchr::memchr(b'"', text.as_bytes())?;
    Some((&text[..end], &text[end + 1..]))
}

/// Without looking at the values of numbers, which may be of any size, and deeper than `serde_json` goes.
fn read_carefully(data: &[u8]) -> Result<Value<'_>, JsonError> {
    let text = std::str::from_utf8(data).map_err(|error| JsonError(format!("Not UTF-8 at byte {}.", error.valid_up_to())))?;
    value_of(parse(text)?, 0)
}

fn value_of(raw: &RawValue, depth: usize) -> Result<Value<'_>, JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError("Too deep.".to_owned()));
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let RawMembers(members) = parse(text)?;
            let members = Members(
                members
                    .into_iter()
                    .map(|(Text(name), raw)| Ok((name, value_of(raw, depth + 1)?)))
                    .collect::<Result<_, _>>()?,
            );
            if members.has_doubles() {
                Err(JsonError(TWICE.to_owned()))
            } else {
                Ok(Value::Object(members))
            }
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = parse(text)?;
            items.into_iter().try_for_each(|item| value_of(item, depth + 1).map(drop))?;
            Ok(Value::Other)
        }
        Some(b'"') => parse(text).map(|Text(text)| Value::String(text)),
        _ => Ok(Value::Other),
    }
}

const TWICE: &str = "A member occurs twice.";

fn parse<'d, T: Deserialize<'d>>(text: &'d str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError(error.to_string()))
}

/// A string that is borrowed where it has no escapes.
struct Text<'d>(Cow<'d, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Text<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Strings)
    }
}

struct RawMembers<'d>(Vec<(Text<'d>, &'d RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects;
        impl<'de> Visitor<'de> for Objects {
            type Value = RawMembers<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(Objects)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Value<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Value::String(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Value::String(Cow::Owned(text.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members(Vec::with_capacity(8));
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.0.push((name, value));
                }
                if members.has_doubles() {
                    Err(A::Error::custom(TWICE))
                } else {
                    Ok(Value::Object(members))
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while items.next_element::<Value>()?.is_some() {}
                Ok(Value::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }
        }
        deserializer.deserialize_any(Values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            &br#"{"a":1,"a":2}"#[..],
            br#"{"a":{"b":1,"\u0062":2}}"#,
            br#"[{"a":1,"a":2}]"#,
            br#""\ud800""#,
            br#"{"\udc00":1}"#,
            b"NaN",
            b"01",
            b"\"\xff\"",
            b"\"\x01\"",
            b"{} {}",
            b"",
            b"\xef\xbb\xbf{}",
        ] {
            assert!(loads(bad, 64).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn numbers_may_be_of_any_size() {
        for good in [&b"1e999"[..], b"[-0.1E-99999]", b"{\"a\":123456789012345678901234567890}"] {
            assert!(loads(good, 64).is_ok(), "{}", String::from_utf8_lossy(good));
        }
    }

    #[test]
    fn brackets_are_counted_before_anything_is_read() {
        assert!(loads(b"[[[]]]", 3).is_ok());
        assert!(loads(b"[[[[]]]]", 3).is_err());
        let deep = |levels| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        assert!(loads(&deep(500), 500).is_ok());
        assert!(loads(&deep(3000), 3000).is_err());
    }
}
