//! Catches panics at a boundary that no panic may cross, such as that of a binding to another language.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The work panicked, which is a bug in this crate. The panic message was written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs the work and catches a panic.
///
/// # Errors
/// The work panicked. Values that it shares with other threads are still sound: a lock whose holder panicked is taken over, and caches are replaced as a
/// whole.
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
