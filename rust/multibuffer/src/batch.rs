//! Verification of many signatures at once. Eight signatures of the same length are verified side by side, even if their keys differ.

use crate::key::Key;

/// One signature to verify.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The key with which to verify the signature.
    pub key: &'a Key,
    /// The signature. It must be as long as the key's modulus.
    pub signature: &'a [u8],
    /// The encoded block that the signature must produce. It must be as long as the key's modulus.
    pub block: &'a [u8],
}

/// Verifies many signatures. Afterwards `verdicts[i]` is the result of [`Key::verify`] for `jobs[i]`. The moduli may have different
/// lengths.
///
/// No job can change the verdict on another: each job has its own lane, and lanes do not exchange data.
///
/// # Panics
/// Panics if the two slices have different lengths.
pub fn verify_many(jobs: &[Job<'_>], verdicts: &mut [bool]) {
    assert_eq!(jobs.len(), verdicts.len(), "a verdict for each job");
    #[cfg(target_arch = "x86_64")]
    side_by_side::verify_many(jobs, verdicts);
    #[cfg(not(target_arch = "x86_64"))]
    for (job, verdict) in jobs.iter().zip(verdicts) {
        *verdict = job.key.verify(job.signature, job.block); // never runs, because no key exists
    }
}

#[cfg(target_arch = "x86_64")]
mod side_by_side {
    use super::Job;
    use crate::cpu::Ifma;
    use crate::key::{Key, Prepared};
    use crate::lanes::{Columns, LANES, Wide, WideModulus};
    use crate::limbs::{LOW_BLOCKS, Modulus, Number, low_part};

    /// The kernel for eight numbers runs only if there are at least this many signatures. With fewer, too many lanes would be idle, and the
    /// kernel for one number is faster.
    const WORTH_LANES: usize = 7;

    pub(super) fn verify_many(jobs: &[Job<'_>], verdicts: &mut [bool]) {
        let (mut short, mut middle, mut long) = (Queue::default(), Queue::default(), Queue::default());
        for (index, job) in jobs.iter().enumerate() {
            verdicts[index] = false;
            if !job.key.admits(job.signature) || job.block.len() != job.key.octets() {
                continue;
            }
            let Some(low) = low_part(job.block) else {
                verdicts[index] = job.key.verify(job.signature, job.block);
                continue;
            };
            match &job.key.modulus {
                Prepared::Bits2048(modulus) => short.push(index, modulus, low, jobs, verdicts),
                Prepared::Bits3072(modulus) => middle.push(index, modulus, low, jobs, verdicts),
                Prepared::Bits4096(modulus) => long.push(index, modulus, low, jobs, verdicts),
            }
        }
        short.finish(jobs, verdicts);
        middle.finish(jobs, verdicts);
        long.finish(jobs, verdicts);
    }

    /// Jobs with moduli of one length that wait until there are enough of them.
    struct Queue<'a, const NB: usize> {
        waiting: Vec<(usize, &'a Modulus<NB>, Number<LOW_BLOCKS>)>,
        lanes: Option<Box<Lanes<'a, NB>>>,
    }

    impl<const NB: usize> Default for Queue<'_, NB> {
        fn default() -> Self {
            Self {
                waiting: Vec::new(),
                lanes: None,
            }
        }
    }

    /// The operands of one run of the kernel. The moduli stay in their lanes between runs, because most batches have few keys.
    struct Lanes<'a, const NB: usize> {
        of: [Option<&'a Modulus<NB>>; LANES],
        modulus: WideModulus<NB>,
        signatures: Wide<NB>,
        low: Wide<LOW_BLOCKS>,
        columns: Columns,
    }

    impl<'a, const NB: usize> Queue<'a, NB> {
        fn push(&mut self, index: usize, modulus: &'a Modulus<NB>, low: Number<LOW_BLOCKS>, jobs: &[Job<'_>], verdicts: &mut [bool]) {
            self.waiting.push((index, modulus, low));
            if self.waiting.len() == LANES {
                self.run(jobs[index].key.ifma, jobs, verdicts);
            }
        }

        fn finish(mut self, jobs: &[Job<'_>], verdicts: &mut [bool]) {
            if self.waiting.len() >= WORTH_LANES {
                self.run(jobs[self.waiting[0].0].key.ifma, jobs, verdicts);
            }
            for (index, ..) in self.waiting {
                let Job { key, signature, block } = jobs[index];
                verdicts[index] = Key::verify(key, signature, block);
            }
        }

        fn run(&mut self, ifma: Ifma, jobs: &[Job<'_>], verdicts: &mut [bool]) {
            let lanes = self.lanes.get_or_insert_with(|| {
                Box::new(Lanes {
                    of: [None; LANES],
                    modulus: WideModulus::ZERO,
                    signatures: Wide::ZERO,
                    low: Wide::ZERO,
                    columns: Columns::ZERO,
                })
            });
            for (lane, (index, modulus, low)) in self.waiting.iter().enumerate() {
                if !lanes.of[lane].is_some_and(|there| core::ptr::eq(there, *modulus)) {
                    lanes.modulus.set(lane, modulus, ifma.comparison(modulus));
                    lanes.of[lane] = Some(modulus);
                }
                lanes.signatures.set(lane, &Number::from_be(jobs[*index].signature));
                lanes.low.set(lane, low);
            }
            let good = ifma.verify_eight(&lanes.signatures, &lanes.low, &lanes.modulus, &mut lanes.columns);
            for (lane, (index, ..)) in self.waiting.drain(..).enumerate() {
                verdicts[index] = good >> lane & 1 == 1;
            }
        }
    }
}
