//! Verifies an attested data document: `cargo run --features roots --example verify -- FILE [UNIX-SECONDS]`.

use std::time::{SystemTime, UNIX_EPOCH};

use imdskit_core::checker::Checker;
use imdskit_core::roots;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let document = std::fs::read(arguments.next().ok_or("pass the path of a document as the first argument")?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().try_into()?;
    let at = arguments.next().map_or(Ok(now), |seconds| seconds.parse())?;
    let checker = Checker::new(roots::setup())?;
    let signed = checker.check(&document, at, None)?; // in production, pass the nonce of your request
    let (cloud, vm_id) = (signed.label(), signed.claims().vm_id);
    println!("Genuine: virtual machine {vm_id} in the cloud {cloud}, signed by {}", signed.name());
    Ok(())
}
