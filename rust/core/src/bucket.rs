//! A token bucket in integer arithmetic.

// Python counterpart: `backends/python/bucket.py`.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The error for an argument of [`Bucket::new`] that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArgument;

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rate, period and burst must be at least 1; rate must be less than 2^63, and so must burst times period")
    }
}

impl Error for BadArgument {}

/// The level of the bucket and the time of the last update. The unit of the level is a fraction of a token: `per_ns` units are one token.
#[derive(Debug)]
struct State {
    level: u64,
    last: Option<i64>,
}

/// A token bucket that threads can share.
#[derive(Debug)]
pub struct Bucket {
    rate: u64,
    per_ns: u64,
    capacity: u64,
    state: Mutex<State>,
}

impl Bucket {
    /// Creates a full bucket that gains `rate` tokens every `per_ns` nanoseconds and holds at most `burst` tokens.
    ///
    /// # Errors
    /// Returns an error if an argument is below 1, or if `rate` or `burst * per_ns` is 2^63 or more.
    pub fn new(rate: u64, per_ns: u64, burst: u64) -> Result<Self, BadArgument> {
        let capacity = burst
            .checked_mul(per_ns)
            .filter(|&capacity| capacity < 1 << 63)
            .ok_or(BadArgument)?;
        if rate == 0 || rate >= 1 << 63 || capacity == 0 {
            return Err(BadArgument);
        }
        Ok(Self {
            rate,
            per_ns,
            capacity,
            state: Mutex::new(State {
                level: capacity,
                last: None,
            }),
        })
    }

    /// Takes one token at the time `now_ns`, in nanoseconds. The caller may choose any clock. Returns 0 if a token was available. Otherwise
    /// takes nothing and returns the number of nanoseconds until the next token.
    pub fn take(&self, now_ns: i64) -> u64 {
        // The state is valid after each single assignment, so a panic in another thread cannot have left it invalid.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.last {
            None => state.last = Some(now_ns),
            Some(last) if now_ns > last => {
                let gained = u128::from(now_ns.abs_diff(last)) * u128::from(self.rate);
                let level = u128::from(state.level).saturating_add(gained);
                state.level = u64::try_from(level).map_or(self.capacity, |level| level.min(self.capacity));
                state.last = Some(now_ns);
            }
            Some(_) => {}
        }
        if state.level >= self.per_ns {
            state.level -= self.per_ns;
            return 0;
        }
        (self.per_ns - state.level).div_ceil(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadArgument, Bucket};

    #[test]
    fn admits_a_burst_and_then_the_configured_rate() -> Result<(), BadArgument> {
        let bucket = Bucket::new(5, 1_000_000_000, 5)?;
        assert_eq!((0..6).map(|_| bucket.take(0)).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 200_000_000]);
        assert_eq!(bucket.take(199_999_999), 1);
        assert_eq!(bucket.take(200_000_000), 0);
        assert_eq!(bucket.take(i64::MAX), 0);
        Ok(())
    }

    #[test]
    fn ignores_a_clock_that_goes_backwards() -> Result<(), BadArgument> {
        let bucket = Bucket::new(1, 10, 1)?;
        assert_eq!(bucket.take(100), 0);
        assert_eq!(bucket.take(i64::MIN), 10);
        assert_eq!(bucket.take(110), 0);
        Ok(())
    }

    #[test]
    fn rejects_arguments_out_of_range() {
        for (rate, per_ns, burst) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1 << 32, 1 << 31), (1 << 63, 1, 1)] {
            assert_eq!(Bucket::new(rate, per_ns, burst).err(), Some(BadArgument));
        }
    }
}
