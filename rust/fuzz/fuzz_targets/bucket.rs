//! Compares the token bucket with a second implementation, whose integers are too wide to overflow.
//!
//! Input: rate, period and burst in eight bytes each, then the readings of the clock. Each reading is stored as its difference from the
//! previous one. The first byte of a reading contains the sign and the number of bytes of the difference, and these bytes follow. A flag in
//! the first byte makes the reading the greatest or smallest possible one instead.

#![no_main]

use imdskit_core::bucket::Bucket;
use libfuzzer_sys::fuzz_target;
use num_bigint::BigInt;

fuzz_target!(|input: &[u8]| {
    let Some((head, mut rest)) = input.split_at_checked(24) else {
        return;
    };
    let number = |start: usize| u64::from_le_bytes(std::array::from_fn(|place| head[start + place]));
    let (rate, per_ns, burst) = (number(0), number(8), number(16));
    let capacity = BigInt::from(burst) * per_ns;
    let possible = rate > 0 && rate >> 63 == 0 && capacity > BigInt::ZERO && capacity < BigInt::from(1_u64 << 63);
    let bucket = Bucket::new(rate, per_ns, burst);
    assert_eq!(bucket.is_ok(), possible);
    let Ok(bucket) = bucket else { return };
    let (mut level, mut last, mut now) = (capacity.clone(), None, 0_i64);
    while let Some((&kind, after)) = rest.split_first() {
        let length = usize::from(kind & 7).min(after.len());
        let (octets, after) = after.split_at(length);
        rest = after;
        let step = octets.iter().fold(0_i64, |number, octet| number << 8 | i64::from(*octet));
        now = if kind & 8 == 0 {
            now.wrapping_add(step)
        } else {
            now.wrapping_sub(step)
        };
        if kind & 16 != 0 {
            now = if kind & 8 == 0 { i64::MAX } else { i64::MIN };
        }
        match last {
            None => last = Some(now),
            Some(before) if now > before => {
                level = (level + (BigInt::from(now) - before) * rate).min(capacity.clone());
                last = Some(now);
            }
            Some(_) => {}
        }
        let wait = if level >= BigInt::from(per_ns) {
            level -= per_ns;
            BigInt::ZERO
        } else {
            (BigInt::from(per_ns) - &level + rate - 1_u32) / rate
        };
        assert_eq!(BigInt::from(bucket.take(now)), wait);
    }
});
