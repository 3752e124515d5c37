//! The last line of defence: a panic is a fault of ours and must not leave the extension, where Python would see an exception that no `except Exception` catches.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something panicked. The message is on the standard error output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Do the work.
///
/// # Errors
/// It panicked. What it shares with others is sound all the same: locks whose holder panicked are taken over, and what is remembered is swapped whole.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::{Panicked, caught};

    #[test]
    fn a_panic_is_an_error() {
        let index = std::hint::black_box(3);
        assert_eq!(caught(|| [1, 2, 3][index]), Err(Panicked));
        assert_eq!(caught(|| [1, 2, 3][index - 1]), Ok(3));
    }
}
