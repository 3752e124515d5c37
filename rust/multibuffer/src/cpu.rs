//! Detection of the instructions that the kernels need, and the only way to call the kernels.

#[cfg(target_arch = "x86_64")]
pub(crate) use supported::Ifma;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use unsupported::Ifma;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::unused_self)] // `self` proves that the processor is supported
mod supported {
    use crate::lanes::{self, Columns, Wide, WideModulus};
    use crate::limbs::{Comparison, LOW_BLOCKS, Modulus, Number};
    use crate::single;

    /// Proof that the processor and the operating system support AVX-512 F and IFMA. Only [`Ifma::detect`] creates one.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Ifma(());

    impl Ifma {
        pub(crate) fn detect() -> Option<Self> {
            let found = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma");
            found.then_some(Self(()))
        }

        pub(crate) fn square<const NB: usize>(self, power: &Number<NB>, times: u32, modulus: &Modulus<NB>) -> Number<NB> {
            // SAFETY: the function is safe on processors with AVX-512 F and IFMA, and `self` proves that this is one.
            unsafe { single::square(power, times, modulus) }
        }

        pub(crate) fn power<const NB: usize>(self, s: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
            // SAFETY: as in `square`.
            unsafe { single::power(s, modulus) }
        }

        pub(crate) fn verify<const NB: usize>(
            self,
            s: &Number<NB>,
            low: &Number<LOW_BLOCKS>,
            modulus: &Modulus<NB>,
            comparison: &Comparison<NB>,
        ) -> bool {
            // SAFETY: as in `square`.
            unsafe { single::verify(s, low, modulus, comparison) }
        }

        pub(crate) fn verify_eight<const NB: usize>(
            self,
            s: &Wide<NB>,
            low: &Wide<LOW_BLOCKS>,
            modulus: &WideModulus<NB>,
            columns: &mut Columns,
        ) -> u8 {
            // SAFETY: as in `square`.
            unsafe { lanes::verify(s, low, modulus, columns) }
        }

        /// Computes the constants of the comparison. All kernels compute the same numbers, so the kernel for eight numbers uses this value
        /// too.
        pub(crate) fn comparison<const NB: usize>(self, modulus: &Modulus<NB>) -> &Comparison<NB> {
            modulus.comparison(|a, b, modulus| self.multiply(a, b, modulus))
        }

        pub(crate) fn multiply<const NB: usize>(self, a: &Number<NB>, b: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
            // SAFETY: as in `square`.
            unsafe { single::multiply(&a.across(), &b.across(), modulus) }.along()
        }

        #[cfg(test)]
        pub(crate) fn multiply_and_compare<const NB: usize>(
            self,
            a: &Number<NB>,
            b: &Number<NB>,
            low: &Number<LOW_BLOCKS>,
            modulus: &Modulus<NB>,
        ) -> Number<NB> {
            // SAFETY: as in `square`.
            unsafe { single::multiply_and_compare(&a.across(), &b.across(), low, modulus, self.comparison(modulus)) }.along()
        }

        #[cfg(test)]
        pub(crate) fn multiply_and_compare_eight<const NB: usize>(
            self,
            a: &mut Wide<NB>,
            b: &Wide<NB>,
            low: &Wide<LOW_BLOCKS>,
            modulus: &WideModulus<NB>,
            columns: &mut Columns,
        ) {
            // SAFETY: as in `square`.
            unsafe { lanes::multiply_and_compare(a, b, low, modulus, columns) }
        }

        #[cfg(test)]
        pub(crate) fn square_eight<const NB: usize>(self, a: &mut Wide<NB>, modulus: &WideModulus<NB>, columns: &mut Columns) {
            // SAFETY: as in `square`.
            unsafe { lanes::square(a, modulus, columns) }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod unsupported {
    use crate::limbs::{Comparison, LOW_BLOCKS, Modulus, Number};

    /// A type without values, because no processor of this architecture has the instructions.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Ifma {}

    impl Ifma {
        pub(crate) fn detect() -> Option<Self> {
            None
        }

        pub(crate) fn square<const NB: usize>(self, _: &Number<NB>, _: u32, _: &Modulus<NB>) -> Number<NB> {
            match self {}
        }

        pub(crate) fn power<const NB: usize>(self, _: &Number<NB>, _: &Modulus<NB>) -> Number<NB> {
            match self {}
        }

        pub(crate) fn verify<const NB: usize>(self, _: &Number<NB>, _: &Number<LOW_BLOCKS>, _: &Modulus<NB>, _: &Comparison<NB>) -> bool {
            match self {}
        }

        pub(crate) fn comparison<const NB: usize>(self, _: &Modulus<NB>) -> &Comparison<NB> {
            match self {}
        }
    }
}
