//! Whether this processor can run the kernels, and the only way to them.

#[cfg(target_arch = "x86_64")]
pub(crate) use supported::Ifma;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use unsupported::Ifma;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::unused_self)] // `self` is the proof
mod supported {
    use crate::lanes::{self, Columns, Wide, WideModulus};
    use crate::limbs::{Modulus, Number};
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

        pub(crate) fn power_of_eight<const NB: usize>(self, s: &Wide<NB>, modulus: &WideModulus<NB>, columns: &mut Columns) -> Wide<NB> {
            // SAFETY: as in `square`.
            unsafe { lanes::power(s, modulus, columns) }
        }

        #[cfg(test)]
        pub(crate) fn multiply<const NB: usize>(self, a: &Number<NB>, b: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
            // SAFETY: as in `square`.
            unsafe { single::multiply(&a.across(), &b.across(), modulus) }.along()
        }

        #[cfg(test)]
        pub(crate) fn multiply_eight<const NB: usize>(
            self,
            a: &mut Wide<NB>,
            b: &Wide<NB>,
            modulus: &WideModulus<NB>,
            columns: &mut Columns,
        ) {
            // SAFETY: as in `square`.
            unsafe { lanes::multiply(a, b, modulus, columns) }
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
    use crate::limbs::{Modulus, Number};

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
    }
}
