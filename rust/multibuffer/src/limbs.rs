//! Numbers as 52-bit limbs, least significant first, in blocks of eight: what all kernels and their model share. Plain integers, no vectors.

use std::sync::OnceLock;

/// Bits of a limb: the width that `vpmadd52luq` and `vpmadd52huq` multiply.
pub(crate) const LIMB_BITS: usize = 52;
/// The same, as shifts of vectors take it.
#[cfg(target_arch = "x86_64")]
pub(crate) const LIMB_SHIFT: u32 = 52;
/// The greatest limb.
pub(crate) const LIMB_MAX: u64 = (1 << LIMB_BITS) - 1;
/// Limbs of a block: the 64-bit lanes of a 512-bit vector.
pub(crate) const BLOCK: usize = 8;
/// Bits of a block.
pub(crate) const BLOCK_BITS: usize = BLOCK * LIMB_BITS;
/// Blocks of the greatest number: 4096 bits in 80 limbs.
pub(crate) const MAX_BLOCKS: usize = 10;

/// Bits that a number is moved by at a time where shifts are reduced: the quotient is a limb then.
const MAX_SHIFT: usize = LIMB_BITS - 2;

/// The bounds on which the proof in the README rests, for each pair of blocks and bits of the modulus. A wrong constant fails the build.
const _: () = {
    let sizes = [(5, 2048), (8, 3072), (10, 4096)];
    let mut index = 0;
    while index < sizes.len() {
        let (blocks, bits) = sizes[index];
        let limbs = BLOCK * blocks;
        // Results stay below 3 n because n / R <= 2^-32, and 3 n < 2^(bits + 2) fits the limbs.
        assert!(BLOCK_BITS * blocks >= bits + 32);
        assert!(blocks <= MAX_BLOCKS);
        // A column is a sum of at most 4 * limbs halves of products and a carry: 4 * limbs * 2^52 + 2^12 < 2^61.
        assert!(((4 * limbs as u64) << LIMB_BITS) + (1 << (64 - LIMB_BITS)) < 1 << 61);
        // Both reductions divide the limbs into whole blocks: `blocks` of eight limbs, eight of `blocks` limbs.
        assert!(limbs.is_multiple_of(BLOCK) && limbs.is_multiple_of(blocks));
        index += 1;
    }
    // `shift_modulo` adds four terms below 2^54 of either sign, and its quotient, below 1.01 * 2^MAX_SHIFT, is a limb.
    assert!(MAX_SHIFT + 2 <= LIMB_BITS && LIMB_BITS + 4 < 63);
};

/// A number of `NB` blocks, least significant limb first.
#[repr(C, align(64))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number<const NB: usize>(pub(crate) [[u64; BLOCK]; NB]);

impl<const NB: usize> Number<NB> {
    /// Zero.
    pub(crate) const ZERO: Self = Self([[0; BLOCK]; NB]);

    #[inline]
    pub(crate) fn limbs(&self) -> &[u64] {
        self.0.as_flattened()
    }

    #[inline]
    pub(crate) fn limbs_mut(&mut self) -> &mut [u64] {
        self.0.as_flattened_mut()
    }

    /// The same number in eight parts.
    pub(crate) fn across(&self) -> Across<NB> {
        let mut across = Across::ZERO;
        for (lane, part) in self.limbs().chunks_exact(NB).enumerate() {
            for (limb, vector) in part.iter().zip(&mut across.0) {
                vector[lane] = *limb;
            }
        }
        across
    }

    /// From big-endian octets: a multiple of eight of them, at most 512.
    pub(crate) fn from_be(octets: &[u8]) -> Self {
        let mut words = [0; MAX_BLOCKS * BLOCK_BITS / 64 + 2];
        for (word, octets) in words.iter_mut().zip(octets.as_rchunks::<8>().1.iter().rev()) {
            *word = u64::from_be_bytes(*octets);
        }
        let mut number = Self::ZERO;
        for (index, limb) in number.limbs_mut().iter_mut().enumerate() {
            let (word, shift) = (index * LIMB_BITS / 64, index * LIMB_BITS % 64);
            let low = words[word] >> shift;
            let high = (words[word + 1] << 1) << (63 - shift);
            *limb = (low | high) & LIMB_MAX;
        }
        number
    }

    /// As big-endian octets; the number must fit them.
    pub(crate) fn to_be(&self, octets: &mut [u8]) {
        let mut pending: u128 = 0;
        let mut bits = 0;
        let mut limbs = self.limbs().iter();
        for word in octets.rchunks_exact_mut(8) {
            while bits < 64 {
                pending |= u128::from(*limbs.next().unwrap_or(&0)) << bits;
                bits += LIMB_BITS;
            }
            #[allow(clippy::cast_possible_truncation)] // the low 64 bits are wanted
            word.copy_from_slice(&(pending as u64).to_be_bytes());
            pending >>= 64;
            bits -= 64;
        }
    }

    /// Takes `n` away when that leaves no negative number.
    pub(crate) fn subtract_if_not_less(&mut self, n: &Self) {
        let mut difference = Self::ZERO;
        let mut borrow = 0;
        for ((to, a), b) in difference.limbs_mut().iter_mut().zip(self.limbs()).zip(n.limbs()) {
            let limb = a.wrapping_sub(*b).wrapping_sub(borrow);
            borrow = limb >> 63;
            *to = limb & LIMB_MAX;
        }
        if borrow == 0 {
            *self = difference;
        }
    }

    /// Below 3`n`, made less than `n`.
    pub(crate) fn reduce(&mut self, n: &Self) {
        self.subtract_if_not_less(n);
        self.subtract_if_not_less(n);
    }

    /// Less than 1.01`n`, times 2^`bits` modulo `n`, which has `size` bits: less than 1.01`n` again; `bits` is at most [`MAX_SHIFT`].
    ///
    /// The quotient is estimated from the uppermost 63 bits of `n`, rounded up, and what stands there here: never too great, and too small by less than
    /// 4 * 2^50 / 2^62 before it is rounded down.
    fn shift_modulo(&mut self, bits: usize, n: &Self, size: usize) {
        let quotient = (u128::from(self.bits_from(size - 63)) << bits) / (u128::from(n.bits_from(size - 63)) + 1);
        #[allow(clippy::cast_possible_truncation)] // less than 1.01 * 2^50
        let quotient = quotient as u64;
        let mut above = 0;
        let mut carried = 0;
        for (limb, of_n) in self.limbs_mut().iter_mut().zip(n.limbs()) {
            let (low, high) = halves(quotient, *of_n);
            // Below 2^56 all of them, and of either sign.
            let sum = ((*limb << bits) & LIMB_MAX)
                .wrapping_sub(low)
                .wrapping_add(above)
                .wrapping_add(carried);
            above = (*limb >> (LIMB_BITS - bits)).wrapping_sub(high);
            carried = (sum.cast_signed() >> LIMB_BITS).cast_unsigned();
            *limb = sum & LIMB_MAX;
        }
    }

    /// The 64 bits from a bit on.
    fn bits_from(&self, bit: usize) -> u64 {
        let mut bits = 0_u128;
        for limb in self.limbs()[bit / LIMB_BITS..].iter().take(3).rev() {
            bits = (bits << LIMB_BITS) | u128::from(*limb);
        }
        // Three limbs may be wider than 128 bits, but what is lost is above those asked for.
        #[allow(clippy::cast_possible_truncation)] // the low 64 bits are wanted
        let bits = (bits >> (bit % LIMB_BITS)) as u64;
        bits
    }
}

/// The low 52 bits of a product of two limbs, and the others. What is moved by twelve bits before comes out in two words, and nothing has to be moved from
/// one to the other.
#[inline]
fn halves(a: u64, b: u64) -> (u64, u64) {
    const SPARE: usize = 64 - LIMB_BITS;
    let product = u128::from(a << SPARE) * u128::from(b);
    #[allow(clippy::cast_possible_truncation)] // the two words
    let words = (product as u64, (product >> 64) as u64);
    (words.0 >> SPARE, words.1)
}

/// A number with limb j at `[j % NB][j / NB]`: eight parts of `NB` limbs, side by side.
#[repr(C, align(64))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Across<const NB: usize>(pub(crate) [[u64; BLOCK]; NB]);

impl<const NB: usize> Across<NB> {
    /// Zero.
    pub(crate) const ZERO: Self = Self([[0; BLOCK]; NB]);

    /// The same number, a limb after the other.
    pub(crate) fn along(&self) -> Number<NB> {
        let mut number = Number::ZERO;
        for (lane, part) in number.limbs_mut().chunks_exact_mut(NB).enumerate() {
            for (limb, vector) in part.iter_mut().zip(&self.0) {
                *limb = vector[lane];
            }
        }
        number
    }
}

/// What a reduction by blocks of `width` limbs needs of a modulus *n*. B is 2^(52 `width`).
#[derive(Clone, Debug)]
pub(crate) struct Fold<const NB: usize> {
    /// Limbs of a block: a divisor of 8 `NB`.
    #[cfg_attr(not(any(test, feature = "model")), allow(dead_code))] // the kernels know it by their types
    pub(crate) width: usize,
    /// -1/*n* modulo B, least significant limb first; `width` limbs of it count.
    pub(crate) q: [u64; MAX_BLOCKS],
    /// (*n* *q* + 1) / B. At most *n*.
    pub(crate) folded: Number<NB>,
}

/// An odd modulus *n*, whose uppermost bit is the uppermost of its last octet, and what multiplication needs of it. R is 2^(416 `NB`).
#[derive(Clone, Debug)]
pub(crate) struct Modulus<const NB: usize> {
    pub(crate) n: Number<NB>,
    /// R² modulo *n*.
    pub(crate) r_squared: Number<NB>,
    /// See [`Modulus::by_block`].
    by_block: OnceLock<Fold<NB>>,
    /// Eight blocks of `NB` limbs: how one number is reduced across the lanes.
    pub(crate) by_lane: Fold<NB>,
    /// Numbers as that takes them.
    pub(crate) across: AcrossModulus<NB>,
}

/// *n*, R² and the folded *n* of `by_lane`.
#[derive(Clone, Debug)]
pub(crate) struct AcrossModulus<const NB: usize> {
    pub(crate) n: Across<NB>,
    pub(crate) r_squared: Across<NB>,
    pub(crate) folded: Across<NB>,
}

impl<const NB: usize> Modulus<NB> {
    /// `octets` is *n*, odd and with its uppermost bit set. `square` squares a number as often as it is told, with the almost-Montgomery
    /// multiplication of the model or of a kernel; it is not shown R².
    pub(crate) fn new(octets: &[u8], square: impl FnOnce(Number<NB>, u32, &Self) -> Number<NB>) -> Self {
        let n = Number::from_be(octets);
        let by_lane = Fold::new(&n, NB);
        let across = AcrossModulus {
            n: n.across(),
            r_squared: Across::ZERO,
            folded: by_lane.folded.across(),
        };
        let mut modulus = Self {
            n,
            r_squared: Number::ZERO,
            by_block: OnceLock::new(),
            by_lane,
            across,
        };
        modulus.r_squared = modulus.square_of_r(octets.len() * 8, square);
        modulus.across.r_squared = modulus.r_squared.across();
        modulus
    }

    /// `NB` blocks of eight limbs: how eight numbers are reduced side by side. Most keys of authorities never are.
    pub(crate) fn by_block(&self) -> &Fold<NB> {
        self.by_block.get_or_init(|| Fold::new(&self.n, BLOCK))
    }

    /// 2^size - n is 2^size modulo n. Shifts make R of it, and then R 2^d, the Montgomery form of 2^d; squarings make that of 2^(8 d), where 8 d are
    /// the bits of R. With more squarings there are fewer shifts; three take the least time, or nearly so, whatever the length.
    fn square_of_r(&self, size: usize, square: impl FnOnce(Number<NB>, u32, &Self) -> Number<NB>) -> Number<NB> {
        const SQUARINGS: u32 = 3;
        let bits_of_r = BLOCK_BITS * NB;
        let mut power = Number::ZERO;
        power.limbs_mut()[size / LIMB_BITS] = 1 << (size % LIMB_BITS);
        power.subtract_if_not_less(&self.n);
        let mut left = bits_of_r - size + (bits_of_r >> SQUARINGS);
        while left > 0 {
            let bits = left.min(MAX_SHIFT);
            power.shift_modulo(bits, &self.n, size);
            left -= bits;
        }
        let mut power = square(power, SQUARINGS, self);
        power.reduce(&self.n);
        power
    }
}

impl<const NB: usize> Fold<NB> {
    /// A limb of q at a time: each multiple of *n* clears the lowest limb that is left.
    fn new(n: &Number<NB>, width: usize) -> Self {
        let n0 = n.limbs()[0];
        // Newton's iteration: an odd number is its own inverse modulo 8, and each step doubles the bits that are right.
        let mut inverse = n0;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(n0.wrapping_mul(inverse)));
        }
        let mut fold = Self {
            width,
            q: [0; MAX_BLOCKS],
            folded: Number::ZERO,
        };
        let limbs = fold.folded.limbs_mut();
        limbs[0] = 1;
        // Sums of columns: carries, but for those out of the lowest, wait until the end. Each column is added to at most twice a round.
        for limb_of_q in &mut fold.q[..width] {
            *limb_of_q = limbs[0].wrapping_mul(inverse.wrapping_neg()) & LIMB_MAX;
            let (low, high) = halves(n0, *limb_of_q);
            let mut above = high + ((limbs[0] + low) >> LIMB_BITS);
            for index in 1..BLOCK * NB {
                let (low, high) = halves(n.limbs()[index], *limb_of_q);
                limbs[index - 1] = limbs[index] + low + above;
                above = high;
            }
            limbs[BLOCK * NB - 1] = above;
        }
        let mut carried = 0;
        for limb in limbs {
            carried += *limb;
            *limb = carried & LIMB_MAX;
            carried >>= LIMB_BITS;
        }
        fold
    }
}
