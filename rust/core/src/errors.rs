//! [`Error`] and [`Display`](fmt::Display) for the error types of this crate.

use std::error::Error;
use std::fmt;

use crate::bucket::BadArgument;
use crate::checker::BadTrust;
use crate::columns::TooLong;
use crate::document::{BadDocument, SelectError};
use crate::reasons::{Reason, Refusal};
use crate::unwinding::Panicked;

impl fmt::Display for Reason {
    /// Writes the stable code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason, self.location)?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.detail)
    }
}

impl Error for Refusal {}

impl fmt::Display for BadTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

impl Error for BadTrust {}

impl fmt::Display for BadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the document is not strict JSON: {}", self.0)
    }
}

impl Error for BadDocument {}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such node",
            Self::LeafNeedsText => "the node is a leaf, which has no JSON form",
        })
    }
}

impl Error for SelectError {}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rate, period and burst must be at least 1, and burst times period must be less than 2^63")
    }
}

impl Error for BadArgument {}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the texts of a column add up to 2 GiB or more")
    }
}

impl Error for TooLong {}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the work panicked")
    }
}

impl Error for Panicked {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_problem_and_location() {
        let refusal = Refusal::new(Reason::TooLarge, "document", "70000 bytes, at most 65536 are read");
        assert_eq!(refusal.to_string(), "too-large at document: 70000 bytes, at most 65536 are read");
        let refusal = Refusal::new(Reason::NoContent, "signedData.encapContentInfo", "");
        assert_eq!(refusal.to_string(), "no-content at signedData.encapContentInfo");
        let bad = BadTrust {
            location: "anchors[0] certificate@4".to_owned(),
            message: "Not a certificate: An element is missing.".to_owned(),
        };
        assert_eq!(
            bad.to_string(),
            "anchors[0] certificate@4: Not a certificate: An element is missing."
        );
    }
}
