//! Extraction of the message from a document. A document is the JSON that the service returns, bare base64, or the DER itself.

// Python counterpart: `backends/envelope.py`.

use std::borrow::Cow;

use crate::contract::Limits;
use crate::reasons::{Reason, Refusal};
use crate::strict_json::{self, View};

const fn is_white_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

const fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=')
}

/// The message in the encoding that the document uses.
#[derive(Debug)]
pub(crate) enum Payload<'d> {
    Der(&'d [u8]),
    Base64 {
        text: Cow<'d, [u8]>,
        /// The location that errors report: the JSON member that contains the message, or `document` if there is no JSON.
        location: &'static str,
    },
}

/// Returns the message inside `document`. The DER of a message begins with the byte 0x30, which is also the character `0`. Its second byte
/// is never a base64 character, so this byte distinguishes DER from text.
pub(crate) fn open<'d>(document: &'d [u8], limits: &Limits) -> Result<Payload<'d>, Refusal> {
    if document.len() > limits.document_bytes {
        let detail = format!("{} bytes, at most {} are read", document.len(), limits.document_bytes);
        return Err(Refusal::new(Reason::TooLarge, "document", detail));
    }
    if let [b'0', second, ..] = document {
        if !is_base64(*second) && !is_white_space(*second) {
            return Ok(Payload::Der(document));
        }
    }
    match document.iter().find(|octet| !is_white_space(**octet)) {
        None => Err(Refusal::new(Reason::Empty, "document", "")),
        Some(b'{') => Ok(Payload::Base64 {
            text: match signature_member(document, limits)? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            location: "signature",
        }),
        Some(_) => Ok(Payload::Base64 {
            text: Cow::Borrowed(document),
            location: "document",
        }),
    }
}

fn signature_member<'d>(document: &'d [u8], limits: &Limits) -> Result<Cow<'d, str>, Refusal> {
    let (text, nodes) = strict_json::index(document, limits.json_brackets, strict_json::MAX_DEPTH)
        .map_err(|error| Refusal::new(Reason::BadJson, "document", error.0))?;
    let members = View::root(text, &nodes);
    if !members.is_object() {
        return Err(Refusal::new(Reason::BadJson, "document", "not an object"));
    }
    let string = |member: &'static str| {
        members
            .get(member)
            .and_then(View::string)
            .ok_or_else(|| Refusal::new(Reason::BadEnvelope, member, "absent or not a string"))
    };
    let signature = string("signature")?;
    let encoding = string("encoding")?;
    if encoding != "pkcs7" {
        return Err(Refusal::new(
            Reason::BadEncoding,
            "encoding",
            format!("{:?}", encoding.chars().take(40).collect::<String>()),
        ));
    }
    if !signature.is_ascii() {
        let offset = signature.bytes().take_while(u8::is_ascii).count();
        return Err(Refusal::new(Reason::BadBase64, format!("signature@{offset}"), "not ASCII"));
    }
    Ok(signature)
}

/// Decodes base64 strictly (RFC 4648 section 4) but ignores white space, because some genuine documents were stored with blanks or with
/// wrapped lines.
pub(crate) fn decode_base64(text: &[u8], location: &'static str) -> Result<Vec<u8>, Refusal> {
    let decode = |text: &[u8]| base64_simd::STANDARD.decode_to_vec(text);
    let decoded = decode(text).or_else(|_| decode(&text.iter().copied().filter(|octet| !is_white_space(*octet)).collect::<Vec<_>>()));
    match decoded {
        Ok(message) if message.is_empty() => Err(Refusal::new(Reason::Empty, location, "")),
        Ok(message) => Ok(message),
        Err(_) => Err(Refusal::new(
            Reason::BadBase64,
            location,
            "not base64 in its canonical form (RFC 4648 section 4)",
        )),
    }
}
