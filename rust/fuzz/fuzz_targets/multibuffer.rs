//! Compares the kernels for one and for eight numbers with the scalar model and with big integers. The results must agree for every modulus
//! and signature.
//!
//! Input: a byte that selects the length of the modulus, a byte whose bits select the jobs to corrupt, and the bytes for moduli and
//! signatures. If there are too few bytes, they are repeated. A few bytes can therefore produce numbers with long runs of equal bits, in
//! which carries propagate far.

#![no_main]

use imdskit_multibuffer::{Job, Key, available, model, verify_many};
use libfuzzer_sys::fuzz_target;
use num_bigint::BigUint;

/// Number of signatures in a batch: eight fill the lanes once, and one is left.
const JOBS: usize = 9;

fuzz_target!(|input: &[u8]| {
    let [size, spoilt, material @ ..] = input else { return };
    if !available() || material.is_empty() {
        return;
    }
    let length = [256, 384, 512][usize::from(size % 3)];
    let number = |start: usize| {
        material
            .iter()
            .cycle()
            .skip(start % material.len())
            .take(length)
            .copied()
            .collect::<Vec<u8>>()
    };
    let batch: Vec<_> = (0..JOBS)
        .filter_map(|job| {
            let (mut modulus, signature) = (number(7 * job), number(7 * job + 3));
            modulus[0] |= size & 0x80; // without this bit, `Key::new` refuses most moduli
            modulus[length - 1] |= size >> 6 & 1;
            let key = Key::new(&modulus);
            let suits = modulus[0] >> 7 == 1 && modulus[length - 1] & 1 == 1;
            assert_eq!(key.is_ok(), suits);
            let key = key.ok()?;
            let (n, s) = (BigUint::from_bytes_be(&modulus), BigUint::from_bytes_be(&signature));
            let in_range = s < n;
            let power = s.modpow(&BigUint::from(65537_u32), &n).to_bytes_be();
            let mut block = [vec![0; length - power.len()], power].concat();
            let expected = in_range.then(|| block.clone());
            assert_eq!(key.public_operation(&signature), expected);
            if job == 0 {
                assert_eq!(model::public_operation(&modulus, &signature), expected);
            }
            let good = spoilt >> (job % 8) & 1 == 0;
            block[(usize::from(*spoilt) * job) % length] ^= u8::from(!good);
            Some((key, signature, block, good && in_range))
        })
        .collect();
    let jobs: Vec<_> = batch
        .iter()
        .map(|(key, signature, block, _)| Job { key, signature, block })
        .collect();
    let mut verdicts = vec![false; jobs.len()];
    verify_many(&jobs, &mut verdicts);
    for (verdict, (key, signature, block, good)) in verdicts.iter().zip(&batch) {
        assert_eq!(verdict, good);
        assert_eq!(key.verify(signature, block), *good);
    }
});
