//! The signed content of a document: the claims about the machine, their validity in time, and the nonce.
//!
//! Each text of the claims borrows from the content, unless the JSON string contains escapes.

// Python counterpart: `backends/python/claims.py`.

use std::borrow::Cow;

use crate::asn1::values::unix_seconds;
use crate::contract::Setup;
use crate::reasons::{Reason, Refusal};
use crate::strict_json::{self, View};

/// The claims of a document, with texts of type `T`. A member is `None` if the document does not contain it. The api-version of the
/// request decides which members a document contains. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims<T> {
    /// `vmId`.
    pub vm_id: T,
    /// `nonce`.
    pub nonce: T,
    /// `createdOn`.
    pub created_on: i64,
    /// `expiresOn`.
    pub expires_on: i64,
    /// `plan`: name, product and publisher.
    pub plan: Option<[T; 3]>,
    /// `subscriptionId`.
    pub subscription_id: Option<T>,
    /// `sku`.
    pub sku: Option<T>,
    /// `licenseType`.
    pub license_type: Option<T>,
}

impl<T> Claims<T> {
    /// Returns the texts in the order of [`crate::columns::TEXTS`].
    pub(crate) fn texts(&self) -> [Option<&T>; 8] {
        let [name, product, publisher] = self.plan.as_ref().map_or([None; 3], |plan| plan.each_ref().map(Some));
        [
            Some(&self.vm_id),
            Some(&self.nonce),
            name,
            product,
            publisher,
            self.subscription_id.as_ref(),
            self.sku.as_ref(),
            self.license_type.as_ref(),
        ]
    }

    /// Returns the same claims with each text converted by `form`.
    pub fn map<'a, U>(&'a self, mut form: impl FnMut(&'a T) -> U) -> Claims<U> {
        Claims {
            vm_id: form(&self.vm_id),
            nonce: form(&self.nonce),
            created_on: self.created_on,
            expires_on: self.expires_on,
            plan: self
                .plan
                .as_ref()
                .map(|[name, product, publisher]| [form(name), form(product), form(publisher)]),
            subscription_id: self.subscription_id.as_ref().map(&mut form),
            sku: self.sku.as_ref().map(&mut form),
            license_type: self.license_type.as_ref().map(form),
        }
    }
}

/// Parses the claims in the content. Unknown members are ignored, because new api-versions add members.
pub(crate) fn parse<'c>(content: &'c [u8], setup: &Setup) -> Result<Claims<Cow<'c, str>>, Refusal> {
    let (text, nodes) = strict_json::index(content, setup.limits.json_brackets, strict_json::MAX_DEPTH)
        .map_err(|error| Refusal::new(Reason::BadClaims, "content", error.0))?;
    let members = View::root(text, &nodes);
    if !members.is_object() {
        return Err(Refusal::new(Reason::BadClaims, "content", "not an object"));
    }
    let time_stamp = object(members, "timeStamp")?;
    let plan = if members.get("plan").is_some() {
        Some(object(members, "plan")?)
    } else {
        None
    };
    let claims = Claims {
        vm_id: required(members, "vmId", "")?,
        nonce: required(members, "nonce", "")?,
        created_on: time(time_stamp, "createdOn")?,
        expires_on: time(time_stamp, "expiresOn")?,
        plan: match plan {
            None => None,
            Some(plan) => Some([
                required(plan, "name", "plan.")?,
                required(plan, "product", "plan.")?,
                required(plan, "publisher", "plan.")?,
            ]),
        },
        subscription_id: optional(members, "subscriptionId")?,
        sku: optional(members, "sku")?,
        license_type: optional(members, "licenseType")?,
    };
    if setup.require_vm_id && claims.vm_id.is_empty() {
        return Err(Refusal::new(Reason::MissingClaim, "content.vmId", "empty"));
    }
    if claims.created_on > claims.expires_on {
        return Err(Refusal::new(Reason::BadTime, "content.timeStamp", "createdOn is after expiresOn"));
    }
    Ok(claims)
}

/// Checks that `at` lies between `createdOn` and `expiresOn`, with a tolerance of `Setup::skew`. Also checks that the document is not
/// older than `Setup::max_age`.
pub(crate) fn check_times(claims: &Claims<Cow<'_, str>>, at: i64, setup: &Setup) -> Result<(), Refusal> {
    let (created, expires) = (claims.created_on, claims.expires_on);
    if at < created.saturating_sub(setup.skew) {
        let detail = format!("created {} s after the time of the check", created.saturating_sub(at));
        return Err(Refusal::new(Reason::DocumentNotYetValid, "content.timeStamp.createdOn", detail));
    }
    if at > expires.saturating_add(setup.skew) {
        let detail = format!("expired {} s before the time of the check", at.saturating_sub(expires));
        return Err(Refusal::new(Reason::DocumentExpired, "content.timeStamp.expiresOn", detail));
    }
    if let Some(max_age) = setup
        .max_age
        .filter(|max_age| at > created.saturating_add(*max_age).saturating_add(setup.skew))
    {
        let detail = format!("{} s old, at most {max_age} s are allowed", at.saturating_sub(created));
        return Err(Refusal::new(Reason::DocumentTooOld, "content.timeStamp.createdOn", detail));
    }
    Ok(())
}

/// Checks that the nonce is the one that the caller expects. The duration of the comparison does not depend on where two nonces of equal
/// length differ.
pub(crate) fn check_nonce(claims: &Claims<Cow<'_, str>>, nonce: Option<&[u8]>, setup: &Setup) -> Result<(), Refusal> {
    match nonce {
        None if setup.require_nonce => Err(Refusal::new(Reason::NonceRequired, "nonce", "")),
        Some(nonce) if aws_lc_rs::constant_time::verify_slices_are_equal(claims.nonce.as_bytes(), nonce).is_err() => {
            Err(Refusal::new(Reason::NonceMismatch, "content.nonce", ""))
        }
        _ => Ok(()),
    }
}

fn object<'c, 'n>(members: View<'c, 'n>, name: &str) -> Result<View<'c, 'n>, Refusal> {
    match members.get(name) {
        None => Err(Refusal::new(Reason::MissingClaim, format!("content.{name}"), "")),
        Some(inner) if inner.is_object() => Ok(inner),
        Some(_) => Err(Refusal::new(Reason::BadClaims, format!("content.{name}"), "not an object")),
    }
}

fn required<'c>(members: View<'c, '_>, name: &str, above: &str) -> Result<Cow<'c, str>, Refusal> {
    let Some(member) = members.get(name) else {
        return Err(Refusal::new(Reason::MissingClaim, format!("content.{above}{name}"), ""));
    };
    member
        .string()
        .ok_or_else(|| Refusal::new(Reason::BadClaims, format!("content.{above}{name}"), "not a string"))
}

fn optional<'c>(members: View<'c, '_>, name: &str) -> Result<Option<Cow<'c, str>>, Refusal> {
    if members.get(name).is_some() {
        required(members, name, "").map(Some)
    } else {
        Ok(None)
    }
}

/// Parses a time such as `11/23/26 08:09:54 -0000`: month, day and two-digit year, in UTC.
fn time(time_stamp: View<'_, '_>, name: &str) -> Result<i64, Refusal> {
    let text = required(time_stamp, name, "timeStamp.")?;
    seconds_of(text.as_bytes()).ok_or_else(|| {
        let detail = format!("{:?}", text.chars().take(40).collect::<String>());
        Refusal::new(Reason::BadTime, format!("content.timeStamp.{name}"), detail)
    })
}

fn seconds_of(text: &[u8]) -> Option<i64> {
    const FORM: &[u8; 23] = b"00/00/00 00:00:00 -0000";
    let fits = |(index, (octet, form)): (usize, (&u8, &u8))| {
        if index < 17 && *form == b'0' {
            octet.is_ascii_digit()
        } else {
            octet == form
        }
    };
    if text.len() != FORM.len() || !text.iter().zip(FORM).enumerate().all(fits) {
        return None;
    }
    let number = |at: usize| i64::from(text[at] - b'0') * 10 + i64::from(text[at + 1] - b'0');
    unix_seconds(2000 + number(6), [number(0), number(3), number(9), number(12), number(15)])
}
