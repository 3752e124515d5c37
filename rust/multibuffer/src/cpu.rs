//! Whether this processor can run the kernels, and the only way to them.

#[cfg(target_arch = "x86_64")]
pub(crate) use supported::Ifma;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use unsupported::Ifma;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::unused_self)] // `self` is the proof
mod supported {
    use crate::lanes::{self, Columns, Wide, WideModulus};
    use crate::limbs::{Comparison, LOW_BLOCKS, Modulus, Number};
    use crate::single;

    /// Proof that processor and operating system have AVX-512 F and IFMA: [`Ifma::detect`] alone makes one.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Ifma(());

    impl Ifma {
        pub(crate) fn detect() -> Option<Self> {
            let found = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma");
            found.then_some(Self(()))
        }

        pub(crate) fn square<const NB: usize>(self, power: &Number<NB>, times: u32, modulus: &Modulus<NB>) -> Number<NB> {
            // SAFETY: the function is safe where AVX-512 F and IFMA are; `self` proves that they are here.
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

        /// Every kernel gives the same numbers, so this serves the lanes as well.
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

    /// No processor of this architecture has the instructions, so there is no proof that one does.
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
