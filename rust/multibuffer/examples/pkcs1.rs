//! Verifies an RSASSA-PKCS1-v1_5 signature with SHA-256: `cargo run -p imdskit-multibuffer --example pkcs1`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use imdskit_multibuffer::Key;

/// DER of `DigestInfo` for SHA-256, up to the digest (RFC 8017 section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = *b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// Returns the EMSA-PKCS1-v1_5 encoding: 00 01 FF ... FF 00, `DigestInfo`, digest.
fn encode(message: &[u8], bytes: usize) -> Vec<u8> {
    let digest = digest(&SHA256, message);
    let padding = bytes - 3 - DIGEST_INFO.len() - digest.as_ref().len();
    [&[0, 1][..], &vec![0xff; padding], &[0], &DIGEST_INFO, digest.as_ref()].concat()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"message", &mut signature)?;

    // In the DER of RSAPublicKey, 9 bytes precede the modulus and 5 bytes with the exponent follow it.
    let der = pair.public_key().as_ref();
    match Key::new(&der[9..der.len() - 5]) {
        Ok(key) => println!("good: {}", key.verify(&signature, &encode(b"message", key.octets()))),
        Err(why) => println!("use another library: {why}"),
    }
    Ok(())
}
