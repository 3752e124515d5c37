//! Many signatures at once: eight of one length side by side, whatever their keys.

use crate::key::Key;

/// One signature to verify.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The key that made it, or not.
    pub key: &'a Key,
    /// The signature, as many octets as the key's modulus.
    pub signature: &'a [u8],
    /// The encoded block that it has to give, as many octets as the key's modulus.
    pub block: &'a [u8],
}

/// What [`Key::verify`] says of every job, in `verdicts` at the same place. Lengths of moduli may be mixed.
///
/// No job can change the verdict of another: each has a lane, and nothing is exchanged between lanes.
///
/// # Panics
/// When there are not as many verdicts as jobs.
pub fn verify_many(jobs: &[Job<'_>], verdicts: &mut [bool]) {
    assert_eq!(jobs.len(), verdicts.len(), "a verdict for each job");
    #[cfg(target_arch = "x86_64")]
    side_by_side::verify_many(jobs, verdicts);
    #[cfg(not(target_arch = "x86_64"))]
    for (job, verdict) in jobs.iter().zip(verdicts) {
        *verdict = job.key.verify(job.signature, job.block); // never: there is no key
    }
}

#[cfg(target_arch = "x86_64")]
mod side_by_side {
    use super::Job;
    use crate::cpu::Ifma;
    use crate::key::{Key, Prepared};
    use crate::lanes::{Columns, LANES, Wide, WideModulus};
    use crate::limbs::{LOW_BLOCKS, Modulus, Number, low_part};

    /// From this many signatures on, the kernel of eight is faster than one after another, though lanes are idle.
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

    /// Jobs of one length of modulus that wait for enough others.
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

    /// What a run of the kernel works on. The moduli stay: most batches have few keys.
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
