//! A function that catches panics, so that no panic reaches the bindings to other languages.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The error for work that panicked, which is a bug in this crate. The panic message was written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `work` and catches a panic.
///
/// # Errors
/// Returns an error if `work` panicked. The values that `work` shares with other threads stay valid: another thread can take a lock whose
/// holder panicked, and caches are replaced as a whole.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::{Panicked, caught};

    #[test]
    fn turns_a_panic_into_an_error() {
        let index = std::hint::black_box(3);
        assert_eq!(caught(|| [1, 2, 3][index]), Err(Panicked));
        assert_eq!(caught(|| [1, 2, 3][index - 1]), Ok(3));
    }
}
