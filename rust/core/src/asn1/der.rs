//! A strict DER reader (X.690). DER allows one encoding of each value; the reader refuses every other encoding.
//!
//! A [`Reader`] reads the elements between two offsets of one buffer. For each constructed element, it creates another reader over the
//! same buffer. A [`Trail`] records which field of the grammar each reader reads, so that an error can name the field at fault. The name
//! is built only when an error occurs.

// Python counterpart: `asn1/reader.py`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};

use crate::asn1::values::{Integer, check_oid, unix_seconds};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const UTF8_STRING: u8 = 0x0C;
pub(crate) const NUMERIC_STRING: u8 = 0x12;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const TELETEX_STRING: u8 = 0x14;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const VISIBLE_STRING: u8 = 0x1A;
pub(crate) const UNIVERSAL_STRING: u8 = 0x1C;
pub(crate) const BMP_STRING: u8 = 0x1E;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Maximum nesting of elements whose type the grammar leaves open (ANY).
const MAX_DEPTH: usize = 32;

/// Returns the identifier octet of a context-specific, constructed tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// Returns the identifier octet of a context-specific, primitive tag.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// The error for bytes that are not valid DER of the expected type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DerError {
    /// Describes the problem in a sentence.
    pub message: Cow<'static, str>,
    /// Offset of the element at fault, in bytes from the start of the outermost buffer.
    pub offset: usize,
    /// ASN.1 path of the element at fault; may be empty.
    pub field: String,
}

impl DerError {
    /// Returns the location as `field@offset`.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}@{}", self.field, self.offset)
    }
}

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.message, self.location())
    }
}

impl Error for DerError {}

pub(crate) type Result<T> = std::result::Result<T, DerError>;

/// One step of an ASN.1 path: a member's name (`serialNumber`), an index (`[3]`), or both (`signerInfos[0]`). Paths omit empty steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    index: Option<usize>,
}

/// Returns the field of an element in a list without a name, such as `[3]`.
pub(crate) const fn item(index: usize) -> Field {
    Field {
        name: "",
        index: Some(index),
    }
}

/// Returns the field of an element in a named list, such as `signerInfos[0]`.
pub(crate) const fn item_of(name: &'static str, index: usize) -> Field {
    Field { name, index: Some(index) }
}

impl From<&'static str> for Field {
    fn from(name: &'static str) -> Self {
        Self { name, index: None }
    }
}

/// The fields that the readers of one buffer read. Each entry refers to the entry of the enclosing field.
#[derive(Debug)]
pub(crate) struct Trail {
    entries: RefCell<Vec<(u32, Field)>>,
    base: usize,
}

const NOWHERE: u32 = u32::MAX;

impl Trail {
    /// Creates an empty trail. If the data of its readers are a part of a larger buffer, `base` is their offset in that buffer.
    pub(crate) fn new(base: usize) -> Self {
        Self {
            entries: RefCell::new(Vec::with_capacity(64)),
            base,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // an element has at least two octets, so 2^32 entries need a buffer of 8 GiB
    fn add(&self, parent: u32, field: Field) -> u32 {
        if field.name.is_empty() && field.index.is_none() {
            return parent;
        }
        let mut entries = self.entries.borrow_mut();
        entries.push((parent, field));
        entries.len() as u32 - 1
    }

    fn path(&self, mut node: u32, field: Field) -> String {
        let entries = self.entries.borrow();
        let mut fields = vec![field];
        while node != NOWHERE {
            let (parent, field) = entries[node as usize];
            fields.push(field);
            node = parent;
        }
        let mut path = String::new();
        for field in fields.iter().rev() {
            if !field.name.is_empty() {
                if !path.is_empty() && !field.name.starts_with('[') {
                    path.push('.');
                }
                path.push_str(field.name);
            }
            if let Some(index) = field.index {
                _ = write!(path, "[{index}]"); // writing to a String cannot fail
            }
        }
        path
    }
}

/// A cursor over DER elements. Copying it is cheap; the copy moves independently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'d, 't> {
    pub(crate) data: &'d [u8],
    pub(crate) pos: usize,
    pub(crate) stop: usize,
    trail: &'t Trail,
    node: u32,
}

impl<'d, 't> Reader<'d, 't> {
    /// Creates a reader over a whole buffer.
    pub(crate) fn new(data: &'d [u8], trail: &'t Trail) -> Self {
        Self {
            data,
            pos: 0,
            stop: data.len(),
            trail,
            node: NOWHERE,
        }
    }

    /// Returns a reader over a range of this buffer. The ASN.1 path of the range is the path of this reader, followed by `field`.
    pub(crate) fn within(&self, start: usize, stop: usize, field: impl Into<Field>) -> Self {
        Self {
            data: self.data,
            pos: start,
            stop,
            trail: self.trail,
            node: self.trail.add(self.node, field.into()),
        }
    }

    /// Returns the ASN.1 path of `field` inside the element that this reader reads.
    pub(crate) fn path(&self, field: impl Into<Field>) -> String {
        self.trail.path(self.node, field.into())
    }

    /// Converts a position in this buffer to an offset in the outermost buffer.
    pub(crate) fn offset(&self, pos: usize) -> usize {
        self.trail.base + pos
    }

    /// Returns an error at the current position.
    #[cold]
    pub(crate) fn fault(&self, message: impl Into<Cow<'static, str>>, field: impl Into<Field>) -> DerError {
        self.fault_at(message, field, self.pos)
    }

    /// Returns an error at the given position.
    #[cold]
    pub(crate) fn fault_at(&self, message: impl Into<Cow<'static, str>>, field: impl Into<Field>, pos: usize) -> DerError {
        DerError {
            message: message.into(),
            offset: self.offset(pos),
            field: self.path(field),
        }
    }

    /// Returns whether nothing is left to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.pos >= self.stop
    }

    /// Returns the identifier octet of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        if self.pos < self.stop { Some(self.data[self.pos]) } else { None }
    }

    /// Returns whether the next element has this identifier octet.
    pub(crate) fn next_is(&self, tag: u8) -> bool {
        self.peek() == Some(tag)
    }

    /// Skips the next element and returns its identifier octet and the start and end of its contents (X.690 sections 8.1 and 10.1).
    pub(crate) fn header(&mut self, field: impl Into<Field>) -> Result<(u8, usize, usize)> {
        let field = field.into();
        let (data, pos, end) = (self.data, self.pos, self.stop);
        if pos + 2 > end {
            return Err(self.fault(
                if pos >= end {
                    "An element is missing."
                } else {
                    "The element is truncated."
                },
                field,
            ));
        }
        let tag = data[pos];
        let mut length = usize::from(data[pos + 1]);
        if tag & 0x1F == 0x1F {
            return Err(self.fault("The tag number is above 30.", field));
        }
        let mut start = pos + 2;
        if length >= 0x80 {
            let octets = length - 0x80;
            if octets == 0 {
                return Err(self.fault("The length is indefinite, which DER does not allow.", field));
            }
            if octets > 4 {
                return Err(self.fault("The length has more than four octets.", field));
            }
            start += octets;
            if start > end {
                return Err(self.fault("The length is truncated.", field));
            }
            length = data[pos + 2..start].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            if length < 0x80 || length >> (8 * (octets - 1)) == 0 {
                return Err(self.fault("The length is not in its shortest form.", field));
            }
        }
        if length > end - start {
            return Err(self.fault("The element is longer than the element that contains it.", field));
        }
        self.pos = start + length;
        Ok((tag, start, start + length))
    }

    /// Skips the next element, which must have this identifier octet, and returns the start and end of its contents.
    pub(crate) fn expect(&mut self, tag: u8, field: impl Into<Field>) -> Result<(usize, usize)> {
        let field = field.into();
        let pos = self.pos;
        let (found, start, stop) = self.header(field)?;
        if found != tag {
            return Err(self.fault_at(format!("Expected tag {tag:02x}, found {found:02x}."), field, pos));
        }
        Ok((start, stop))
    }

    /// Returns the contents of the next element, which must have this identifier octet.
    pub(crate) fn contents(&mut self, tag: u8, field: impl Into<Field>) -> Result<&'d [u8]> {
        let (start, stop) = self.expect(tag, field)?;
        Ok(&self.data[start..stop])
    }

    /// Returns a reader over the contents of the next element, which must have this identifier octet.
    pub(crate) fn enter(&mut self, tag: u8, field: impl Into<Field>) -> Result<Self> {
        let field = field.into();
        let (start, stop) = self.expect(tag, field)?;
        Ok(self.within(start, stop, field))
    }

    /// Returns a reader over the contents of the next element if it has this identifier octet, and otherwise None.
    pub(crate) fn enter_optional(&mut self, tag: u8, field: impl Into<Field>) -> Result<Option<Self>> {
        self.next_is(tag).then(|| self.enter(tag, field)).transpose()
    }

    /// Returns a reader over a SEQUENCE.
    pub(crate) fn sequence(&mut self, field: impl Into<Field>) -> Result<Self> {
        self.enter(SEQUENCE, field)
    }

    /// Returns the whole next element of any type, including identifier and length.
    pub(crate) fn element(&mut self, field: impl Into<Field>) -> Result<&'d [u8]> {
        let pos = self.pos;
        self.header(field)?;
        Ok(&self.data[pos..self.pos])
    }

    /// Returns the whole next element of a type that the grammar leaves open, after checking all elements inside it.
    pub(crate) fn any(&mut self, field: impl Into<Field>) -> Result<&'d [u8]> {
        let field = field.into();
        let pos = self.pos;
        self.header(field)?;
        let element = &self.data[pos..self.pos];
        if element != [NULL, 0] {
            self.check(pos, self.pos, field)?;
        }
        Ok(element)
    }

    /// Returns an error unless the reader is at its end.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.fault("There are more octets after the last element.", ""))
        }
    }

    /// Reads a BOOLEAN, whose contents are 00 or FF (X.690 section 11.1).
    pub(crate) fn boolean(&mut self, field: impl Into<Field>) -> Result<bool> {
        self.boolean_as(BOOLEAN, field)
    }

    /// Reads a BOOLEAN under an implicit tag.
    pub(crate) fn boolean_as(&mut self, tag: u8, field: impl Into<Field>) -> Result<bool> {
        let (pos, field) = (self.pos, field.into());
        match self.contents(tag, field)? {
            [0x00] => Ok(false),
            [0xFF] => Ok(true),
            _ => Err(self.fault_at("The BOOLEAN is neither 00 nor FF.", field, pos)),
        }
    }

    /// Reads an INTEGER, which must be in its shortest form (X.690 section 8.3). Returns its contents, a number in two's complement. Equal
    /// numbers have equal contents.
    pub(crate) fn integer(&mut self, field: impl Into<Field>) -> Result<Integer<'d>> {
        self.integer_as(INTEGER, field)
    }

    /// Reads an INTEGER under an implicit tag.
    pub(crate) fn integer_as(&mut self, tag: u8, field: impl Into<Field>) -> Result<Integer<'d>> {
        let (pos, field) = (self.pos, field.into());
        match self.contents(tag, field)? {
            [] => Err(self.fault_at("The INTEGER has no contents.", field, pos)),
            [first @ (0x00 | 0xFF), second, ..] if (*first == 0x00) == (*second < 0x80) => {
                Err(self.fault_at("The INTEGER is not in its shortest form.", field, pos))
            }
            octets => Ok(Integer(octets)),
        }
    }

    /// Reads an ENUMERATED (X.690 section 8.4).
    pub(crate) fn enumerated(&mut self, field: impl Into<Field>) -> Result<Integer<'d>> {
        self.integer_as(ENUMERATED, field)
    }

    /// Reads an OBJECT IDENTIFIER and returns its contents (X.690 section 8.19). Equal identifiers have equal contents.
    pub(crate) fn oid(&mut self, field: impl Into<Field>) -> Result<&'d [u8]> {
        self.oid_as(OBJECT_IDENTIFIER, field)
    }

    /// Reads an OBJECT IDENTIFIER under an implicit tag.
    pub(crate) fn oid_as(&mut self, tag: u8, field: impl Into<Field>) -> Result<&'d [u8]> {
        let (pos, field) = (self.pos, field.into());
        let contents = self.contents(tag, field)?;
        check_oid(contents).map_err(|message| self.fault_at(message, field, pos))?;
        Ok(contents)
    }

    /// Reads a NULL (X.690 section 8.8).
    pub(crate) fn null(&mut self, field: impl Into<Field>) -> Result<()> {
        let (pos, field) = (self.pos, field.into());
        if self.contents(NULL, field)?.is_empty() {
            Ok(())
        } else {
            Err(self.fault_at("The NULL has contents.", field, pos))
        }
    }

    /// Reads a primitive OCTET STRING (X.690 section 10.2).
    pub(crate) fn octet_string(&mut self, field: impl Into<Field>) -> Result<&'d [u8]> {
        self.contents(OCTET_STRING, field)
    }

    /// Reads a BIT STRING and returns two values: the number of unused bits in the last octet, and the octets. Every unused bit must be
    /// zero (X.690 sections 8.6 and 11.2.1).
    pub(crate) fn bits(&mut self, field: impl Into<Field>) -> Result<(u8, &'d [u8])> {
        self.bits_as(BIT_STRING, field)
    }

    /// Reads a BIT STRING under an implicit tag.
    pub(crate) fn bits_as(&mut self, tag: u8, field: impl Into<Field>) -> Result<(u8, &'d [u8])> {
        let (pos, field) = (self.pos, field.into());
        let value = self.contents(tag, field)?;
        match value {
            [unused @ 0..=7, octets @ ..] if *unused == 0 || !octets.is_empty() => {
                if octets.last().is_some_and(|last| last & ((1 << unused) - 1) != 0) {
                    return Err(self.fault_at("The BIT STRING has unused bits that are set.", field, pos));
                }
                Ok((*unused, octets))
            }
            _ => Err(self.fault_at("The BIT STRING has no valid count of unused bits.", field, pos)),
        }
    }

    /// Reads a BIT STRING without unused bits, such as a key or a signature.
    pub(crate) fn bit_string(&mut self, field: impl Into<Field>) -> Result<&'d [u8]> {
        let (pos, field) = (self.pos, field.into());
        match self.bits(field)? {
            (0, octets) => Ok(octets),
            _ => Err(self.fault_at("The BIT STRING does not consist of whole octets.", field, pos)),
        }
    }

    /// Returns a reader over the octets of a BIT STRING that contains DER, such as a key.
    pub(crate) fn enter_bit_string(&mut self, field: impl Into<Field>) -> Result<Self> {
        let (pos, field) = (self.pos, field.into());
        let (start, stop) = self.expect(BIT_STRING, field)?;
        if start == stop || self.data[start] != 0 {
            return Err(self.fault_at("The BIT STRING does not consist of whole octets.", field, pos));
        }
        Ok(self.within(start + 1, stop, field))
    }

    /// Reads a UTCTime or GeneralizedTime in UTC, with a precision of one second, and returns Unix seconds (RFC 5280 section 4.1.2.5; X.690
    /// sections 11.7 and 11.8).
    pub(crate) fn time(&mut self, field: impl Into<Field>) -> Result<i64> {
        let (pos, field) = (self.pos, field.into());
        let (tag, start, stop) = self.header(field)?;
        let text = &self.data[start..stop];
        let (year, rest) = match (tag, text.len()) {
            (UTC_TIME, 13) => (None, text),
            (GENERALIZED_TIME, 15) => (Some(&text[..2]), &text[2..]),
            _ => return Err(self.fault_at("The time is neither a UTCTime nor a GeneralizedTime with seconds.", field, pos)),
        };
        let digits = year.unwrap_or_default().iter().chain(&rest[..12]);
        if !digits.clone().all(u8::is_ascii_digit) || rest[12] != b'Z' {
            return Err(self.fault_at("The time does not consist of digits and a Z.", field, pos));
        }
        let number = |text: &[u8]| i64::from(text[0] - b'0') * 10 + i64::from(text[1] - b'0');
        let short = number(&rest[..2]);
        let century = year.map_or(if short >= 50 { 19 } else { 20 }, number);
        let parts = [2, 4, 6, 8, 10].map(|at| number(&rest[at..at + 2]));
        unix_seconds(century * 100 + short, parts).ok_or_else(|| self.fault_at("The time does not exist.", field, pos))
    }

    /// Checks that a range consists of well-formed elements, including the elements nested inside them. An explicit work list replaces
    /// recursion, so that deep nesting cannot overflow the stack.
    fn check(&self, start: usize, stop: usize, field: Field) -> Result<()> {
        let here = self.within(start, stop, field);
        let mut ranges = vec![(start, stop, 0)];
        while let Some((start, stop, depth)) = ranges.pop() {
            if depth > MAX_DEPTH {
                return Err(self.fault_at(format!("The elements are nested more than {MAX_DEPTH} deep."), field, start));
            }
            let mut inner = Self { pos: start, stop, ..here };
            while !inner.is_empty() {
                let pos = inner.pos;
                let (tag, first, last) = inner.header("")?;
                let constructed = tag & 0x20 != 0;
                if tag & 0xC0 == 0 && (tag == 0 || matches!(tag & 0x1F, 8 | 11 | 16 | 17 | 29) != constructed) {
                    return Err(inner.fault_at("DER does not allow this tag (X.690 sections 8 and 10.2).", "", pos));
                }
                if constructed {
                    ranges.push((first, last, depth + 1));
                    continue;
                }
                let mut value = Self { pos, ..inner };
                match tag {
                    BOOLEAN => drop(value.boolean("")?),
                    INTEGER => drop(value.integer("")?),
                    ENUMERATED => drop(value.enumerated("")?),
                    BIT_STRING => drop(value.bits("")?),
                    NULL => value.null("")?,
                    OBJECT_IDENTIFIER => drop(value.oid("")?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
