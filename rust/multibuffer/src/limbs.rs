//! Numbers as 52-bit limbs, least significant first, in blocks of eight. All kernels and their model use these numbers. The code in this
//! module uses plain integers instead of vectors.

use std::sync::OnceLock;

/// Number of bits in a limb, which is the width that `vpmadd52luq` and `vpmadd52huq` multiply.
pub(crate) const LIMB_BITS: usize = 52;
/// [`LIMB_BITS`] in the type of vector shifts.
#[cfg(target_arch = "x86_64")]
pub(crate) const LIMB_SHIFT: u32 = 52;
/// Maximum value of a limb.
pub(crate) const LIMB_MAX: u64 = (1 << LIMB_BITS) - 1;
/// Number of limbs in a block, which is the number of 64-bit lanes in a 512-bit vector.
pub(crate) const BLOCK: usize = 8;
/// Number of bits in a block.
pub(crate) const BLOCK_BITS: usize = BLOCK * LIMB_BITS;
/// Number of blocks of the largest number: 4096 bits in 80 limbs.
pub(crate) const MAX_BLOCKS: usize = 10;

/// Number of blocks of limbs for the lowest bytes of an encoded message, which differ from the padding (L in [`Comparison`]). These blocks
/// have 104 bytes, which are enough for the `DigestInfo` of every hash.
pub(crate) const LOW_BLOCKS: usize = 2;
/// Number of bytes in these blocks.
const LOW_BYTES: usize = LOW_BLOCKS * BLOCK_BITS / 8;

/// Maximum number of bits of one shift in `shift_modulo`, so that the quotient fits in a limb.
const MAX_SHIFT: usize = LIMB_BITS - 2;

/// Checks the bounds of the proof in the README for each length of a modulus: its number of blocks and its number of bits. A wrong constant
/// fails the build.
const _: () = {
    let sizes = [(5, 2048), (8, 3072), (10, 4096)];
    let mut index = 0;
    while index < sizes.len() {
        let (blocks, bits) = sizes[index];
        let limbs = BLOCK * blocks;
        // Results stay below 3 n because n / R <= 2^-32. 3 n < 2^(bits + 2) fits in the limbs.
        assert!(BLOCK_BITS * blocks >= bits + 32);
        assert!(blocks <= MAX_BLOCKS);
        // A column is the sum of at most 4 * limbs halves of products, the halves for the limbs that `Comparison` multiplies, one limb, and
        // a carry: (4 * limbs + 2 * 16 + 1) * 2^52 + 2^12 < 2^61.
        assert!(((4 * limbs + 2 * BLOCK * LOW_BLOCKS + 1) as u64) << LIMB_BITS < (1 << 61) - (1 << (64 - LIMB_BITS)));
        // `Comparison` adds less than n (1 + 2 * 2^832) to a product, because L has 16 limbs. 2^832 / R is far below 1, so results stay
        // below 3 n.
        assert!(BLOCK_BITS * (blocks - LOW_BLOCKS) >= 800);
        // Both reductions divide the limbs into whole blocks: `blocks` blocks of eight limbs, or eight blocks of `blocks` limbs.
        assert!(limbs.is_multiple_of(BLOCK) && limbs.is_multiple_of(blocks));
        index += 1;
    }
    // `shift_modulo` adds four terms, positive or negative, each with an absolute value below 2^54. Its quotient is below
    // 1.01 * 2^MAX_SHIFT and fits in a limb.
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

    /// Returns the same number in eight parts.
    pub(crate) fn across(&self) -> Across<NB> {
        let mut across = Across::ZERO;
        for (lane, part) in self.limbs().chunks_exact(NB).enumerate() {
            for (limb, vector) in part.iter().zip(&mut across.0) {
                vector[lane] = *limb;
            }
        }
        across
    }

    /// Converts big-endian bytes to a number. The length of `octets` must be a multiple of eight and at most 512.
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

    /// Writes the number as big-endian bytes. The number must fit into `octets`.
    pub(crate) fn to_be(&self, octets: &mut [u8]) {
        let mut pending: u128 = 0;
        let mut bits = 0;
        let mut limbs = self.limbs().iter();
        for word in octets.rchunks_exact_mut(8) {
            while bits < 64 {
                pending |= u128::from(*limbs.next().unwrap_or(&0)) << bits;
                bits += LIMB_BITS;
            }
            #[allow(clippy::cast_possible_truncation)] // keeps the low 64 bits
            word.copy_from_slice(&(pending as u64).to_be_bytes());
            pending >>= 64;
            bits -= 64;
        }
    }

    /// Returns the difference modulo 2^(416 `NB`), and whether the exact difference is negative.
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

    /// Returns the difference modulo 2^(416 `NB`).
    fn minus(&self, other: &Self) -> Self {
        self.subtract(other).0
    }

    /// Subtracts `n` unless the result would be negative.
    pub(crate) fn subtract_if_not_less(&mut self, n: &Self) {
        if let (difference, false) = self.subtract(n) {
            *self = difference;
        }
    }

    /// Reduces a number below 3`n` to less than `n`.
    pub(crate) fn reduce(&mut self, n: &Self) {
        self.subtract_if_not_less(n);
        self.subtract_if_not_less(n);
    }

    /// Multiplies the number by 2^`bits` modulo `n`, which has `size` bits. The number must be less than 1.01`n`. The result is less than
    /// 1.01`n` too. `bits` is at most [`MAX_SHIFT`].
    ///
    /// The quotient is estimated from the uppermost 63 bits of `n`, rounded up, and the corresponding bits of the number. The estimate is
    /// never too large. Before rounding down it is too small by less than 4 * 2^50 / 2^62.
    fn shift_modulo(&mut self, bits: usize, n: &Self, size: usize) {
        let quotient = (u128::from(self.bits_from(size - 63)) << bits) / (u128::from(n.bits_from(size - 63)) + 1);
        #[allow(clippy::cast_possible_truncation)] // less than 1.01 * 2^50
        let quotient = quotient as u64;
        let mut above = 0;
        let mut carried = 0;
        for (limb, of_n) in self.limbs_mut().iter_mut().zip(n.limbs()) {
            let (low, high) = halves(quotient, *of_n);
            // The absolute value of the sum is below 2^56. The terms and the sum may be negative.
            let sum = ((*limb << bits) & LIMB_MAX)
                .wrapping_sub(low)
                .wrapping_add(above)
                .wrapping_add(carried);
            above = (*limb >> (LIMB_BITS - bits)).wrapping_sub(high);
            carried = (sum.cast_signed() >> LIMB_BITS).cast_unsigned();
            *limb = sum & LIMB_MAX;
        }
    }

    /// Returns 64 bits, starting at the given bit.
    fn bits_from(&self, bit: usize) -> u64 {
        let mut bits = 0_u128;
        for limb in self.limbs()[bit / LIMB_BITS..].iter().take(3).rev() {
            bits = (bits << LIMB_BITS) | u128::from(*limb);
        }
        // Three limbs may have more than 128 bits, but the lost bits are above the requested ones.
        #[allow(clippy::cast_possible_truncation)] // keeps the low 64 bits
        let bits = (bits >> (bit % LIMB_BITS)) as u64;
        bits
    }
}

/// Returns the low 52 bits and the high bits of a product of two limbs. One factor is shifted left by twelve bits before the
/// multiplication, so that each half is in its own word of the result.
#[inline]
fn halves(a: u64, b: u64) -> (u64, u64) {
    const SPARE: usize = 64 - LIMB_BITS;
    let product = u128::from(a << SPARE) * u128::from(b);
    #[allow(clippy::cast_possible_truncation)] // splits the product into two words
    let words = (product as u64, (product >> 64) as u64);
    (words.0 >> SPARE, words.1)
}

/// A number as eight parts of `NB` limbs, side by side. Limb j is at `[j % NB][j / NB]`.
#[repr(C, align(64))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Across<const NB: usize>(pub(crate) [[u64; BLOCK]; NB]);

impl<const NB: usize> Across<NB> {
    /// Zero.
    pub(crate) const ZERO: Self = Self([[0; BLOCK]; NB]);

    /// Returns the same number with its limbs in order.
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

/// The constants for reducing modulo *n* by blocks of `width` limbs. B is 2^(52 `width`).
#[derive(Clone, Debug)]
pub(crate) struct Fold<const NB: usize> {
    /// Number of limbs in a block. It must divide 8 `NB`.
    #[cfg_attr(not(any(test, feature = "model")), allow(dead_code))] // the kernels know it from their types
    pub(crate) width: usize,
    /// -1/*n* modulo B, least significant limb first. Only the first `width` limbs are used.
    pub(crate) q: [u64; MAX_BLOCKS],
    /// (*n* *q* + 1) / B, which is at most *n*.
    pub(crate) folded: Number<NB>,
}

/// An odd modulus *n* and the constants for multiplication modulo *n*. The uppermost bit of the most significant byte of *n* is set. R is
/// 2^(416 `NB`).
#[derive(Clone, Debug)]
pub(crate) struct Modulus<const NB: usize> {
    pub(crate) n: Number<NB>,
    /// Length of *n* in bytes.
    octets: usize,
    /// R² modulo *n*.
    pub(crate) r_squared: Number<NB>,
    /// See [`Modulus::by_block`].
    by_block: OnceLock<Fold<NB>>,
    /// See [`Modulus::comparison`].
    comparison: OnceLock<Box<Comparison<NB>>>,
    /// Set by the first verification with this modulus.
    used: OnceLock<()>,
    /// The reduction across the lanes for one number: eight blocks of `NB` limbs.
    pub(crate) by_lane: Fold<NB>,
    /// *n*, R² and the folded *n* in the form for the kernel for one number.
    pub(crate) across: AcrossModulus<NB>,
}

/// The constants for comparing *s*^65537 with an encoded block before the last multiplication is reduced. With these constants, *s* never
/// has to be multiplied by R².
///
/// Sixteen squarings of plain *s* give *s*^65536 K, where K = R^-65535. The block is P - L, where P is 00 01 FF ... FF and L has few limbs.
/// Then *s* *s*^65536 K + (*n* - P K) + L K is a multiple of *n* if and only if the signature produces the block.
#[derive(Clone, Debug)]
pub(crate) struct Comparison<const NB: usize> {
    /// K modulo *n*.
    pub(crate) factor: Number<NB>,
    /// *n* - (P K modulo *n*).
    pub(crate) constant: Number<NB>,
    /// The constants in the form for the kernel for one number.
    pub(crate) across: AcrossComparison<NB>,
}

/// The constants of [`Comparison`] and the number 2 *n*, in the form for the kernel for one number.
#[derive(Clone, Debug)]
pub(crate) struct AcrossComparison<const NB: usize> {
    /// K, and K shifted up by `NB` limbs, both modulo *n*.
    pub(crate) factors: [Across<NB>; 2],
    pub(crate) constant: Across<NB>,
    pub(crate) twice_n: Across<NB>,
}

impl<const NB: usize> Comparison<NB> {
    /// Computes the constants. `multiply` is the Montgomery multiplication of the model or of a kernel. Its results are less than 3*n*.
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

/// A run of FF bytes that is at least as long as any block.
static ONES: [u8; MAX_BLOCKS * BLOCK_BITS / 8] = [0xFF; MAX_BLOCKS * BLOCK_BITS / 8];

/// Returns L of [`Comparison`] for an encoded block, or `None` if the block differs from P above its low part.
pub(crate) fn low_part(block: &[u8]) -> Option<Number<LOW_BLOCKS>> {
    let (padding, low) = block.split_at_checked(block.len().checked_sub(LOW_BYTES)?)?;
    match padding {
        // This comparison of the whole padding takes only a few vector instructions.
        [0, 1, ones @ ..] if *ones == ONES[..ones.len()] => {
            let mut difference = [0; LOW_BYTES];
            for (to, octet) in difference.iter_mut().zip(low) {
                *to = !octet;
            }
            Some(Number::from_be(&difference))
        }
        _ => None,
    }
}

/// The numbers *n*, R² and `by_lane.folded` of a modulus, in the form for the kernel for one number.
#[derive(Clone, Debug)]
pub(crate) struct AcrossModulus<const NB: usize> {
    pub(crate) n: Across<NB>,
    pub(crate) r_squared: Across<NB>,
    pub(crate) folded: Across<NB>,
}

impl<const NB: usize> Modulus<NB> {
    /// Prepares a modulus. `octets` is *n*, which must be odd and have its uppermost bit set. `square` squares a number the given number of
    /// times with the Montgomery multiplication of the model or of a kernel. It must not use R², which is not computed yet.
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

    /// Returns the reduction for eight numbers side by side: `NB` blocks of eight limbs. It is computed on first use, because most keys of
    /// authorities never need it.
    pub(crate) fn by_block(&self) -> &Fold<NB> {
        self.by_block.get_or_init(|| Fold::new(&self.n, BLOCK))
    }

    /// Returns the constants of the comparison. They are computed on first use, because most keys of authorities verify a single signature.
    /// The computation takes as long as one verification.
    pub(crate) fn comparison(&self, multiply: impl Fn(&Number<NB>, &Number<NB>, &Self) -> Number<NB>) -> &Comparison<NB> {
        self.comparison
            .get_or_init(|| Box::new(Comparison::new(self, |a, b| multiply(a, b, self))))
    }

    /// Returns whether this method was called before. If so, preparing more constants pays off.
    pub(crate) fn is_used_again(&self) -> bool {
        self.used.set(()).is_err()
    }

    /// Computes R² modulo n. The computation starts with 2^size - n, which is 2^size modulo n. Shifts turn this number into R, and then
    /// into R 2^d, the Montgomery form of 2^d. Three squarings turn R 2^d into the Montgomery form of 2^(8 d). d is chosen so that 2^(8 d)
    /// = R, so this form is R². With more squarings, fewer shifts are needed. Three squarings are fastest, or nearly so, for every length.
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
    /// Computes *q* limb by limb. Each step adds a multiple of *n* that clears the lowest remaining limb.
    fn new(n: &Number<NB>, width: usize) -> Self {
        let n0 = n.limbs()[0];
        // Newton's iteration. An odd number is its own inverse modulo 8, and each step doubles the number of correct bits.
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
        // Except for the lowest column, carries are added at the end. Each round adds less than 2^54 to a column, so no column overflows.
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
