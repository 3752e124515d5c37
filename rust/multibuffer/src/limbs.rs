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

/// Blocks of the part of an encoded block in which it may differ from [`Comparison`]'s: 104 octets, which hold the `DigestInfo` of every hash.
pub(crate) const LOW_BLOCKS: usize = 2;
/// Octets of that part.
const LOW_OCTETS: usize = LOW_BLOCKS * BLOCK_BITS / 8;

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
        // A column is a sum of at most 4 * limbs halves of products, those of the limbs that `Comparison` multiplies, one limb, and a carry:
        // (4 * limbs + 2 * 16 + 1) * 2^52 + 2^12 < 2^61.
        assert!(((4 * limbs + 2 * BLOCK * LOW_BLOCKS + 1) as u64) << LIMB_BITS < (1 << 61) - (1 << (64 - LIMB_BITS)));
        // What `Comparison` adds to a product is less than n (1 + 2 B^2), and B^2 / R is far below 1: results stay below 3 n.
        assert!(BLOCK_BITS * (blocks - LOW_BLOCKS) >= 800);
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

    /// The difference, modulo 2^(416 `NB`), and whether it is negative.
    fn subtract(&self, other: &Self) -> (Self, bool) {
        let mut difference = Self::ZERO;
        let mut borrow = 0;
        for ((to, a), b) in difference.limbs_mut().iter_mut().zip(self.limbs()).zip(other.limbs()) {
            let limb = a.wrapping_sub(*b).wrapping_sub(borrow);
            borrow = limb >> 63;
            *to = limb & LIMB_MAX;
        }
        (difference, borrow == 1)
    }

    /// The difference, modulo 2^(416 `NB`).
    fn minus(&self, other: &Self) -> Self {
        self.subtract(other).0
    }

    /// Takes `n` away when that leaves no negative number.
    pub(crate) fn subtract_if_not_less(&mut self, n: &Self) {
        if let (difference, false) = self.subtract(n) {
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
    /// Octets of *n*.
    octets: usize,
    /// R² modulo *n*.
    pub(crate) r_squared: Number<NB>,
    /// See [`Modulus::by_block`].
    by_block: OnceLock<Fold<NB>>,
    /// See [`Modulus::comparison`].
    comparison: OnceLock<Box<Comparison<NB>>>,
    /// Set once a signature was verified with this modulus.
    used: OnceLock<()>,
    /// Eight blocks of `NB` limbs: how one number is reduced across the lanes.
    pub(crate) by_lane: Fold<NB>,
    /// Numbers as that takes them.
    pub(crate) across: AcrossModulus<NB>,
}

/// What it takes to compare *s*^65537 with an encoded block before the last multiplication is reduced, so that *s* never has to be multiplied by R².
///
/// Sixteen squarings of plain *s* give *s*^65536 K, where K = R^-65535. The block is P - L, where P is 00 01 FF ... FF and L has few limbs. Then
/// *s* *s*^65536 K + (*n* - P K) + L K is a multiple of *n* if and only if the signature gives the block.
#[derive(Clone, Debug)]
pub(crate) struct Comparison<const NB: usize> {
    /// K modulo *n*.
    pub(crate) factor: Number<NB>,
    /// *n* - (P K modulo *n*).
    pub(crate) constant: Number<NB>,
    /// The same, and 2 *n*, as the kernel of one number takes them.
    pub(crate) across: AcrossComparison<NB>,
}

/// Numbers of [`Comparison`].
#[derive(Clone, Debug)]
pub(crate) struct AcrossComparison<const NB: usize> {
    /// K, and K moved up by `NB` limbs, both modulo *n*.
    pub(crate) factors: [Across<NB>; 2],
    pub(crate) constant: Across<NB>,
    pub(crate) twice_n: Across<NB>,
}

impl<const NB: usize> Comparison<NB> {
    /// `multiply` is the almost-Montgomery multiplication of the model or of a kernel.
    fn new(modulus: &Modulus<NB>, multiply: impl Fn(&Number<NB>, &Number<NB>) -> Number<NB>) -> Self {
        let mut factor = Number::ZERO;
        factor.limbs_mut()[0] = 1;
        for _ in 0..16 {
            factor = multiply(&factor, &factor);
        }
        let mut padding = ONES;
        padding[..2].copy_from_slice(&[0, 1]);
        let padding = Number::from_be(&padding[..modulus.octets]);
        let in_form = multiply(&factor, &modulus.r_squared);
        let mut moved = Number::ZERO;
        moved.limbs_mut()[NB] = 1;
        let [mut product, mut moved] = [padding, moved].map(|number| multiply(&in_form, &number));
        for number in [&mut factor, &mut product, &mut moved] {
            number.reduce(&modulus.n);
        }
        let constant = modulus.n.minus(&product);
        let twice_n = modulus.n.minus(&Number::ZERO.minus(&modulus.n));
        Self {
            across: AcrossComparison {
                factors: [factor.across(), moved.across()],
                constant: constant.across(),
                twice_n: twice_n.across(),
            },
            factor,
            constant,
        }
    }
}

/// As long as a block, or longer.
static ONES: [u8; MAX_BLOCKS * BLOCK_BITS / 8] = [0xFF; MAX_BLOCKS * BLOCK_BITS / 8];

/// L of [`Comparison`] for an encoded block. None if the block differs from P further up.
pub(crate) fn low_part(block: &[u8]) -> Option<Number<LOW_BLOCKS>> {
    let (padding, low) = block.split_at_checked(block.len().checked_sub(LOW_OCTETS)?)?;
    match padding {
        // Compared as a whole, which takes a few vectors.
        [0, 1, ones @ ..] if *ones == ONES[..ones.len()] => {
            let mut difference = [0; LOW_OCTETS];
            for (to, octet) in difference.iter_mut().zip(low) {
                *to = !octet;
            }
            Some(Number::from_be(&difference))
        }
        _ => None,
    }
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
            octets: octets.len(),
            r_squared: Number::ZERO,
            by_block: OnceLock::new(),
            comparison: OnceLock::new(),
            used: OnceLock::new(),
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

    /// Made when it is first needed, because it takes as long as one signature. Most keys of authorities verify a single one.
    pub(crate) fn comparison(&self, multiply: impl Fn(&Number<NB>, &Number<NB>, &Self) -> Number<NB>) -> &Comparison<NB> {
        self.comparison
            .get_or_init(|| Box::new(Comparison::new(self, |a, b| multiply(a, b, self))))
    }

    /// Whether this was called before. It then pays to prepare more.
    pub(crate) fn is_used_again(&self) -> bool {
        self.used.set(()).is_err()
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
