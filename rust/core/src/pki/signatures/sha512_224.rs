//! SHA-512/224 (FIPS 180-4 sections 5.3.6.1 and 6.4), which AWS-LC does not offer. No known CA signs with it, so this code is simple rather
//! than fast.

/// Size of a block in bytes.
const BLOCK: usize = 128;

/// The initial value (section 5.3.6.1).
const INITIAL: [u64; 8] = [
    0x8C3D_37C8_1954_4DA2,
    0x73E1_9966_89DC_D4D6,
    0x1DFA_B7AE_32FF_9C82,
    0x679D_D514_582F_9FCF,
    0x0F6D_2B69_7BD4_4DA8,
    0x77E3_6F73_04C4_8942,
    0x3F9D_85A8_6A1D_36C8,
    0x1112_E6AD_91D6_92A1,
];

/// The first 64 bits of the fractional parts of the cube roots of the first 80 primes (section 4.2.3).
const CONSTANTS: [u64; 80] = [
    0x428A_2F98_D728_AE22,
    0x7137_4491_23EF_65CD,
    0xB5C0_FBCF_EC4D_3B2F,
    0xE9B5_DBA5_8189_DBBC,
    0x3956_C25B_F348_B538,
    0x59F1_11F1_B605_D019,
    0x923F_82A4_AF19_4F9B,
    0xAB1C_5ED5_DA6D_8118,
    0xD807_AA98_A303_0242,
    0x1283_5B01_4570_6FBE,
    0x2431_85BE_4EE4_B28C,
    0x550C_7DC3_D5FF_B4E2,
    0x72BE_5D74_F27B_896F,
    0x80DE_B1FE_3B16_96B1,
    0x9BDC_06A7_25C7_1235,
    0xC19B_F174_CF69_2694,
    0xE49B_69C1_9EF1_4AD2,
    0xEFBE_4786_384F_25E3,
    0x0FC1_9DC6_8B8C_D5B5,
    0x240C_A1CC_77AC_9C65,
    0x2DE9_2C6F_592B_0275,
    0x4A74_84AA_6EA6_E483,
    0x5CB0_A9DC_BD41_FBD4,
    0x76F9_88DA_8311_53B5,
    0x983E_5152_EE66_DFAB,
    0xA831_C66D_2DB4_3210,
    0xB003_27C8_98FB_213F,
    0xBF59_7FC7_BEEF_0EE4,
    0xC6E0_0BF3_3DA8_8FC2,
    0xD5A7_9147_930A_A725,
    0x06CA_6351_E003_826F,
    0x1429_2967_0A0E_6E70,
    0x27B7_0A85_46D2_2FFC,
    0x2E1B_2138_5C26_C926,
    0x4D2C_6DFC_5AC4_2AED,
    0x5338_0D13_9D95_B3DF,
    0x650A_7354_8BAF_63DE,
    0x766A_0ABB_3C77_B2A8,
    0x81C2_C92E_47ED_AEE6,
    0x9272_2C85_1482_353B,
    0xA2BF_E8A1_4CF1_0364,
    0xA81A_664B_BC42_3001,
    0xC24B_8B70_D0F8_9791,
    0xC76C_51A3_0654_BE30,
    0xD192_E819_D6EF_5218,
    0xD699_0624_5565_A910,
    0xF40E_3585_5771_202A,
    0x106A_A070_32BB_D1B8,
    0x19A4_C116_B8D2_D0C8,
    0x1E37_6C08_5141_AB53,
    0x2748_774C_DF8E_EB99,
    0x34B0_BCB5_E19B_48A8,
    0x391C_0CB3_C5C9_5A63,
    0x4ED8_AA4A_E341_8ACB,
    0x5B9C_CA4F_7763_E373,
    0x682E_6FF3_D6B2_B8A3,
    0x748F_82EE_5DEF_B2FC,
    0x78A5_636F_4317_2F60,
    0x84C8_7814_A1F0_AB72,
    0x8CC7_0208_1A64_39EC,
    0x90BE_FFFA_2363_1E28,
    0xA450_6CEB_DE82_BDE9,
    0xBEF9_A3F7_B2C6_7915,
    0xC671_78F2_E372_532B,
    0xCA27_3ECE_EA26_619C,
    0xD186_B8C7_21C0_C207,
    0xEADA_7DD6_CDE0_EB1E,
    0xF57D_4F7F_EE6E_D178,
    0x06F0_67AA_7217_6FBA,
    0x0A63_7DC5_A2C8_98A6,
    0x113F_9804_BEF9_0DAE,
    0x1B71_0B35_131C_471B,
    0x28DB_77F5_2304_7D84,
    0x32CA_AB7B_40C7_2493,
    0x3C9E_BE0A_15C9_BEBC,
    0x431D_67C4_9C10_0D4C,
    0x4CC5_D4BE_CB3E_42B6,
    0x597F_299C_FC65_7E2A,
    0x5FCB_6FAB_3AD6_FAEC,
    0x6C44_198C_4A47_5817,
];

/// Returns the digest of the concatenation of `parts`.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 28] {
    let mut message = parts.concat();
    let bits = 8 * message.len() as u128;
    message.push(0x80);
    // Zeros fill the space before the length of the message, which takes the last 16 bytes of the last block (section 5.1.2).
    message.resize((message.len() + 16).next_multiple_of(BLOCK) - 16, 0);
    message.extend_from_slice(&bits.to_be_bytes());
    let state = message.chunks_exact(BLOCK).fold(INITIAL, compressed);
    let mut digest = [0; 28];
    for (octet, from) in digest.iter_mut().zip(state.iter().flat_map(|word| word.to_be_bytes())) {
        *octet = from;
    }
    digest
}

/// Returns the state after a block (section 6.4.2).
#[allow(clippy::many_single_char_names)] // the letters of the standard
fn compressed(state: [u64; 8], block: &[u8]) -> [u64; 8] {
    let mut schedule = [0; 80];
    for (word, octets) in schedule.iter_mut().zip(block.chunks_exact(8)) {
        *word = octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
    }
    for t in 16..80 {
        let (two, fifteen) = (schedule[t - 2], schedule[t - 15]);
        let one = two.rotate_right(19) ^ two.rotate_right(61) ^ two >> 6;
        let zero = fifteen.rotate_right(1) ^ fifteen.rotate_right(8) ^ fifteen >> 7;
        schedule[t] = one.wrapping_add(schedule[t - 7]).wrapping_add(zero).wrapping_add(schedule[t - 16]);
    }
    let mut next = state;
    for (constant, word) in CONSTANTS.iter().zip(schedule) {
        let [a, b, c, d, e, f, g, h] = next;
        let first = (e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41))
            .wrapping_add((e & f) ^ (!e & g))
            .wrapping_add(h)
            .wrapping_add(*constant)
            .wrapping_add(word);
        let second = (a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39)).wrapping_add((a & b) ^ (a & c) ^ (b & c));
        next = [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
    }
    std::array::from_fn(|index| state[index].wrapping_add(next[index]))
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn digests_match_the_standard() {
        let million = [b'a'; 1000];
        for (parts, wanted) in [
            (&[][..], "6ed0dd02806fa89e25de060c19d3ac86cabb87d6a0ddd05c333b84f4"),
            (&[&b"a"[..], b"bc"], "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"),
            (
                &[
                    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn",
                    b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                ],
                "23fec5bb94d60b23308192640b0c453335d664734fe40e7268674af9",
            ),
            (&[&million[..]; 1000], "37ab331d76f0d36de422bd0edeb22a28accd487b7a8453ae965dd287"),
        ] {
            let found = digest(parts).map(|octet| format!("{octet:02x}")).concat();
            assert_eq!(found, wanted);
        }
    }
}
