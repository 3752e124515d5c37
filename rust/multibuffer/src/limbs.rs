//! Numbers as 52-bit limbs, least significant first, in blocks of eight: what all kernels and their model share. Plain integers, no vectors.

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

/// A number of at most [`MAX_BLOCKS`] blocks between one block of zeros and two, so that eight limbs may be read from any place around
/// it. Block `i` of the number is element `i + 1`.
#[repr(C, align(64))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) [[u64; BLOCK]; MAX_BLOCKS + 3]);

impl Number {
    /// Zero.
    pub(crate) const ZERO: Self = Self([[0; BLOCK]; MAX_BLOCKS + 3]);

    /// The limbs of the first `NB` blocks.
    #[inline]
    pub(crate) fn limbs<const NB: usize>(&self) -> &[u64] {
        self.0[1..=NB].as_flattened()
    }

    /// The limbs of the first `NB` blocks.
    #[inline]
    pub(crate) fn limbs_mut<const NB: usize>(&mut self) -> &mut [u64] {
        self.0[1..=NB].as_flattened_mut()
    }

    /// From big-endian octets: a multiple of eight of them, at most 512.
    pub(crate) fn from_be<const NB: usize>(octets: &[u8]) -> Self {
        let mut words = [0; MAX_BLOCKS * BLOCK_BITS / 64 + 2];
        for (word, octets) in words.iter_mut().zip(octets.as_rchunks::<8>().1.iter().rev()) {
            *word = u64::from_be_bytes(*octets);
        }
        let mut number = Self::ZERO;
        for (index, limb) in number.limbs_mut::<NB>().iter_mut().enumerate() {
            let (word, shift) = (index * LIMB_BITS / 64, index * LIMB_BITS % 64);
            let low = words[word] >> shift;
            let high = (words[word + 1] << 1) << (63 - shift);
            *limb = (low | high) & LIMB_MAX;
        }
        number
    }

    /// As big-endian octets; the number must fit them.
    pub(crate) fn to_be<const NB: usize>(&self, octets: &mut [u8]) {
        let mut pending: u128 = 0;
        let mut bits = 0;
        let mut limbs = self.limbs::<NB>().iter();
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
    pub(crate) fn subtract_if_not_less<const NB: usize>(&mut self, n: &Self) {
        let mut difference = Self::ZERO;
        let mut borrow = 0;
        for ((to, a), b) in difference.limbs_mut::<NB>().iter_mut().zip(self.limbs::<NB>()).zip(n.limbs::<NB>()) {
            let limb = a.wrapping_sub(*b).wrapping_sub(borrow);
            borrow = limb >> 63;
            *to = limb & LIMB_MAX;
        }
        if borrow == 0 {
            *self = difference;
        }
    }

    /// Below 3`n`, made less than `n`.
    pub(crate) fn reduce<const NB: usize>(&mut self, n: &Self) {
        self.subtract_if_not_less::<NB>(n);
        self.subtract_if_not_less::<NB>(n);
    }

    /// Less than `n`, doubled modulo `n`.
    fn double<const NB: usize>(&mut self, n: &Self) {
        let mut carry = 0;
        for limb in self.limbs_mut::<NB>() {
            let doubled = (*limb << 1) | carry;
            carry = doubled >> LIMB_BITS;
            *limb = doubled & LIMB_MAX;
        }
        self.subtract_if_not_less::<NB>(n);
    }
}

/// An odd modulus *n* of `NB` blocks, whose uppermost bit is the uppermost of its last octet, and what the multiplication needs of it.
/// R is 2^(416 `NB`), B is 2^416.
#[derive(Clone, Debug)]
pub(crate) struct Modulus<const NB: usize> {
    /// *n*.
    pub(crate) n: Number,
    /// (*n* *q* + 1) / B, where *q* is -1/*n* modulo B. At most *n*.
    pub(crate) folded: Number,
    /// A block of zeros, then *q*, least significant limb first.
    pub(crate) q: [[u64; BLOCK]; 2],
    /// R² modulo *n*.
    pub(crate) r_squared: Number,
}

impl<const NB: usize> Modulus<NB> {
    /// `octets` is *n*, odd and with its uppermost bit set; `multiply` is the almost-Montgomery multiplication of the model or of a kernel.
    pub(crate) fn new(octets: &[u8], multiply: impl Fn(&Number, &Number, &Self) -> Number) -> Self {
        let n = Number::from_be::<NB>(octets);
        let (folded, q) = fold::<NB>(&n);
        let mut modulus = Self {
            n,
            folded,
            q: [[0; BLOCK], q],
            r_squared: Number::ZERO,
        };
        modulus.r_squared = modulus.square_of_r(octets.len() * 8, multiply);
        modulus
    }

    /// 2^bits - n is 2^bits modulo n. Doublings make R of it, and then R 2^d, the Montgomery form of 2^d; squarings make that of 2^(d 2^t),
    /// where d 2^t are the bits of R.
    fn square_of_r(&self, bits: usize, multiply: impl Fn(&Number, &Number, &Self) -> Number) -> Number {
        let bits_of_r = BLOCK_BITS * NB;
        let squarings = bits_of_r.trailing_zeros();
        let mut power = Number::ZERO;
        power.limbs_mut::<NB>()[bits / LIMB_BITS] = 1 << (bits % LIMB_BITS);
        power.subtract_if_not_less::<NB>(&self.n);
        for _ in 0..bits_of_r - bits + (bits_of_r >> squarings) {
            power.double::<NB>(&self.n);
        }
        for _ in 0..squarings {
            power = multiply(&power, &power, self);
        }
        power.reduce::<NB>(&self.n);
        power
    }
}

/// (*n* *q* + 1) / B and *q*, a limb at a time: each multiple of *n* clears the lowest limb that is left.
fn fold<const NB: usize>(n: &Number) -> (Number, [u64; BLOCK]) {
    let n0 = n.limbs::<NB>()[0];
    // Newton's iteration: an odd number is its own inverse modulo 8, and each step doubles the bits that are right.
    let mut inverse = n0;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(n0.wrapping_mul(inverse)));
    }
    let mut sum = Number::ZERO;
    sum.limbs_mut::<NB>()[0] = 1;
    let mut q = [0; BLOCK];
    for limb_of_q in &mut q {
        let limbs = sum.limbs_mut::<NB>();
        *limb_of_q = limbs[0].wrapping_mul(inverse.wrapping_neg()) & LIMB_MAX;
        let mut carry = (u128::from(n0) * u128::from(*limb_of_q) + u128::from(limbs[0])) >> LIMB_BITS;
        for index in 1..BLOCK * NB {
            carry += u128::from(n.limbs::<NB>()[index]) * u128::from(*limb_of_q) + u128::from(limbs[index]);
            #[allow(clippy::cast_possible_truncation)] // masked
            let limb = carry as u64 & LIMB_MAX;
            limbs[index - 1] = limb;
            carry >>= LIMB_BITS;
        }
        #[allow(clippy::cast_possible_truncation)] // a limb: the sum is at most n
        let limb = carry as u64;
        limbs[BLOCK * NB - 1] = limb;
    }
    (sum, q)
}
