//! JSON that has one meaning only (RFC 8259, RFC 7493 sections 2.1 to 2.3): UTF-8, no member twice, no lone surrogates, bounded depth.
//!
//! One scanner of our own reads every octet once, so that the time is linear in the text whatever it holds.

use std::borrow::Cow;
use std::collections::HashSet;

/// Not strict JSON; in words.
#[derive(Debug)]
pub(crate) struct JsonError(pub(crate) Cow<'static, str>);

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

/// Up to so many members are compared with one another.
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

/// Guards the stack, whatever the bound on brackets is.
// `contract.MAX_JSON_BRACKETS` of Python, so that no limit that can be set allows more.
const MAX_DEPTH: usize = 256;

/// The value of a JSON text with at most so many opening braces and brackets, those in strings included.
pub(crate) fn loads(data: &[u8], brackets: usize) -> Result<Value<'_>, JsonError> {
    if memchr::memchr2_iter(b'{', b'[', data).count() > brackets {
        return Err(JsonError(format!("More than {brackets} opening brackets.").into()));
    }
    let text = std::str::from_utf8(data).map_err(|error| JsonError(format!("Not UTF-8 at byte {}.", error.valid_up_to()).into()))?;
    let mut scanner = Scanner { text, pos: 0 };
    let value = scanner.value(0)?;
    scanner.skip_blanks();
    if scanner.pos < data.len() {
        return Err(scanner.fault("Something follows the value"));
    }
    Ok(value)
}

/// A cursor over a text. It always stands at the beginning of a character.
struct Scanner<'d> {
    text: &'d str,
    pos: usize,
}

impl<'d> Scanner<'d> {
    #[cold]
    fn fault(&self, what: &str) -> JsonError {
        JsonError(format!("{what} at byte {}.", self.pos).into())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    /// Step over an octet if it is the next one.
    fn take(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.pos += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'d>, JsonError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.fault("Too deep")),
            Some(b'{') => self.members(depth).map(Value::Object),
            Some(b'[') => self.items(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Members<'d>, JsonError> {
        self.pos += 1;
        self.skip_blanks();
        let mut members = Members(Vec::new());
        if self.take(b'}') {
            return Ok(members);
        }
        members.0.reserve(8);
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.fault("A member without a name"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.fault("No colon after a name"));
            }
            members.0.push((name, self.value(depth + 1)?));
            self.skip_blanks();
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return Err(self.fault("Neither a comma nor the end of an object"));
            }
        }
        if members.has_doubles() {
            return Err(JsonError("A member occurs twice.".into()));
        }
        Ok(members)
    }

    fn items(&mut self, depth: usize) -> Result<Value<'d>, JsonError> {
        self.pos += 1;
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Value::Other);
        }
        loop {
            self.value(depth + 1)?;
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Other);
            }
            if !self.take(b',') {
                return Err(self.fault("Neither a comma nor the end of an array"));
            }
        }
    }

    /// From the opening quotation mark to the closing one. Borrowed where there are no escapes.
    fn string(&mut self) -> Result<Cow<'d, str>, JsonError> {
        self.pos += 1;
        let first = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut whole = first.to_owned();
        while !self.take(b'"') {
            whole.push(self.escape()?);
            whole.push_str(self.plain()?);
        }
        Ok(Cow::Owned(whole))
    }

    /// What stands before the next quotation mark or backslash, at which the scanner stands afterwards.
    fn plain(&mut self) -> Result<&'d str, JsonError> {
        let rest = &self.text[self.pos..];
        let stop = memchr::memchr2(b'"', b'\\', rest.as_bytes()).ok_or_else(|| self.fault("A string without an end"))?;
        let plain = &rest[..stop];
        // To the end in any case, so that many octets are looked at at a time.
        if plain.bytes().fold(0, |found, octet| found | u8::from(octet < b' ')) != 0 {
            return Err(self.fault("A control character in a string"));
        }
        self.pos += stop;
        Ok(plain)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.pos += 1;
        let octet = self.peek();
        self.pos += usize::from(octet.is_some_and(|octet| octet.is_ascii()));
        Ok(match octet {
            Some(octet @ (b'"' | b'\\' | b'/')) => char::from(octet),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.character(),
            _ => return Err(self.fault("An escape that does not exist")),
        })
    }

    /// What `\u` and the digits that follow stand for; of a surrogate, also `\u` and the digits of the other half.
    fn character(&mut self) -> Result<char, JsonError> {
        let unit = self.unit()?;
        let units = if matches!(unit, 0xD800..=0xDBFF) && self.take(b'\\') && self.take(b'u') {
            [unit, self.unit()?]
        } else {
            [unit, 0]
        };
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(JsonError("A string contains half of a surrogate pair.".into())),
        }
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.text.as_bytes().get(self.pos..self.pos + 4);
        let unit = digits.and_then(|digits| {
            digits.iter().try_fold(0_u16, |unit, digit| {
                let digit = char::from(*digit).to_digit(16)?;
                Some(unit << 4 | u16::try_from(digit).ok()?)
            })
        });
        let unit = unit.ok_or_else(|| self.fault("An escape without four hexadecimal digits"))?;
        self.pos += 4;
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.pos..];
        let count = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fault("A digit is missing"));
        }
        self.pos += count;
        Ok(())
    }

    fn number(&mut self) -> Result<Value<'d>, JsonError> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(Value::Other)
    }

    fn literal(&mut self) -> Result<Value<'d>, JsonError> {
        let rest = &self.text.as_bytes()[self.pos..];
        let found = ["null", "true", "false"]
            .iter()
            .find(|literal| rest.starts_with(literal.as_bytes()));
        let literal = found.ok_or_else(|| self.fault("No JSON value"))?;
        self.pos += literal.len();
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for bad in [
            &br#"{"a":1,"a":2}"#[..],
            br#"{"a":{"b":1,"\u0062":2}}"#,
            br#"[{"a":1,"a":2}]"#,
            br#""\ud800""#,
            br#""\ud800\n""#,
            br#""\ud800\u0041""#,
            br#""\ud800\ud800\udc00""#,
            br#"{"\udc00":1}"#,
            br#""\u00g0""#,
            br#""\u+123""#,
            br#""\u12"#,
            br#""\x""#,
            "\"\\\u{e9}\"".as_bytes(),
            b"\"a",
            b"\"\\",
            b"NaN",
            b"-Infinity",
            b"nul",
            b"01",
            b"-",
            b"1.",
            b".5",
            b"1e",
            b"+1",
            b"\"\xff\"",
            b"\"\x01\"",
            b"{} {}",
            b"{,}",
            b"{\"a\":1,}",
            b"{\"a\" 1}",
            b"{1:1}",
            b"[1,]",
            b"[1 2]",
            b"[",
            b"",
            b"\xef\xbb\xbf{}",
            b"\x0c1",
        ] {
            assert!(loads(bad, 64).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn reads_strings_with_and_without_escapes() {
        for (text, wanted) in [
            (r#""""#, ""),
            (r#" "a b" "#, "a b"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u0041\u00e9\uD83D\ude00x""#, "A\u{e9}\u{1f600}x"),
            ("\"\u{7f}\u{e9}\\n\u{e9}\"", "\u{7f}\u{e9}\n\u{e9}"),
        ] {
            assert!(
                matches!(loads(text.as_bytes(), 0), Ok(Value::String(found)) if found == wanted),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_may_be_of_any_size() {
        for good in [
            &b"1e999"[..],
            b"[-0.1E-99999, 0e+1]",
            b"{\"a\":123456789012345678901234567890}",
            b"[null , true,false,{ } ,[\t]]",
        ] {
            assert!(loads(good, 64).is_ok(), "{}", String::from_utf8_lossy(good));
        }
    }

    #[test]
    fn counts_brackets_before_anything_is_read() {
        assert!(loads(b"[[[]]]", 3).is_ok());
        assert!(loads(b"[[[[]]]]", 3).is_err());
        let deep = |levels| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        assert!(loads(&deep(MAX_DEPTH), usize::MAX).is_ok());
        assert!(loads(&deep(MAX_DEPTH + 1), usize::MAX).is_err());
    }
}
