//! Values of DER elements: integers, named bits, object identifiers and times.

use std::borrow::Cow;

/// Maximum length of the contents of an OBJECT IDENTIFIER, in octets.
const MAX_OID_OCTETS: usize = 64;

/// The contents of an INTEGER, in two's complement and in the shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer<'d>(pub(crate) &'d [u8]);

impl<'d> Integer<'d> {
    /// Returns whether the number is negative.
    pub(crate) fn is_negative(self) -> bool {
        self.0[0] & 0x80 != 0
    }

    /// Returns whether the number is zero.
    pub(crate) fn is_zero(self) -> bool {
        self.0 == [0]
    }

    /// Returns the number if it has at most 64 bits.
    pub(crate) fn small(self) -> Option<i64> {
        if self.0.len() > 8 {
            return None;
        }
        let start = if self.is_negative() { -1 } else { 0 };
        Some(self.0.iter().fold(start, |sum, octet| sum << 8 | i64::from(*octet)))
    }

    /// Returns the octets of a non-negative number without leading zeros. The result is empty for zero.
    pub(crate) fn magnitude(self) -> &'d [u8] {
        if self.0[0] == 0 { &self.0[1..] } else { self.0 }
    }
}

/// Returns the first 16 bits of a BIT STRING with named bits. The least significant bit of the result is bit 0 of the BIT STRING. DER
/// forbids trailing zero bits here (X.690 section 11.2.2), but some certificate authorities have issued certificates with them. Trailing
/// zero bits do not change the meaning, so this function accepts them.
pub(crate) fn named_bits(octets: &[u8]) -> u16 {
    octets
        .iter()
        .take(2)
        .enumerate()
        .fold(0, |bits, (index, octet)| bits | u16::from(octet.reverse_bits()) << (8 * index))
}

/// Checks the contents of an OBJECT IDENTIFIER (X.690 section 8.19). The error describes the problem in a sentence.
pub(crate) fn check_oid(contents: &[u8]) -> Result<(), Cow<'static, str>> {
    if contents.last().is_none_or(|last| last & 0x80 != 0) {
        return Err("The OBJECT IDENTIFIER is empty or truncated.".into());
    }
    if contents.len() > MAX_OID_OCTETS {
        return Err(format!("The OBJECT IDENTIFIER has more than {MAX_OID_OCTETS} octets.").into());
    }
    let mut first = true;
    for octet in contents {
        if first && *octet == 0x80 {
            return Err("An arc of the OBJECT IDENTIFIER is not in its shortest form.".into());
        }
        first = octet & 0x80 == 0;
    }
    Ok(())
}

/// Returns the dotted decimal text of the contents of an OBJECT IDENTIFIER. An arc that needs more than 128 bits is shown as `?`.
#[must_use]
pub fn oid_text(contents: &[u8]) -> String {
    let mut arcs: Vec<Option<u128>> = Vec::new();
    let mut number = Some(0_u128);
    for octet in contents {
        number = number.and_then(|n| n.checked_mul(128)).map(|n| n + u128::from(octet & 0x7F));
        if octet & 0x80 == 0 {
            arcs.push(number);
            number = Some(0);
        }
    }
    let text = |arc: Option<u128>| arc.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut parts = Vec::with_capacity(arcs.len() + 1);
    if let Some(first) = arcs.first() {
        let root = first.map_or(2, |n| (n / 40).min(2));
        parts.push(root.to_string());
        parts.push(text(first.map(|n| n - 40 * root)));
    }
    parts.extend(arcs.iter().skip(1).map(|arc| text(*arc)));
    parts.join(".")
}

/// Converts a time of the proleptic Gregorian calendar to Unix seconds. `parts` are month, day, hour, minute and second. Returns `None` if
/// no such time exists.
pub(crate) fn unix_seconds(year: i64, parts: [i64; 5]) -> Option<i64> {
    let [month, day, hour, minute, second] = parts;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // The computation starts the year in March, so that the leap day is the last day of the year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let date = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(((date * 24 + hour) * 60 + minute) * 60 + second)
}
