//! The settings of a [`Checker`](crate::checker::Checker).

// Python counterpart: `backends/contract.py`, which explains each member at more length.

/// Limits on hostile input. All of them are inclusive.
///
/// Later versions may add members. Start with [`Limits::default`] and assign the members that you want to change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of a document in bytes, before any decoding. The default is 65,536.
    pub document_bytes: usize,
    /// Maximum number of certificates in one message. The default is 16.
    pub certificates: usize,
    /// Maximum number of opening braces and brackets in one JSON text. The default is 64.
    pub json_brackets: usize,
    /// Maximum number of certificates on one path, including signer and anchor. The default is 8.
    pub path_certificates: usize,
    /// Budget of the search for a path. One unit is the cost of one RSA-2048 verification. Verifications with larger RSA keys or with
    /// ECDSA keys cost more. The default is 3000.
    pub work: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 64 * 1024,
            certificates: 16,
            json_brackets: 64,
            path_certificates: 8,
            work: 3000,
        }
    }
}

/// The settings of a checker.
///
/// Later versions may add members. Start with [`Setup::default`], which trusts nobody, and assign the members that you want to change.
///
/// ```
/// use imdskit_core::contract::Setup;
///
/// let mut setup = Setup::default();
/// setup.names = vec![("public".into(), "metadata.azure.com".into())];
/// setup.require_nonce = true;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // independent settings, as in the Python counterpart
pub struct Setup {
    /// Trusted certificates in DER.
    pub anchors: Vec<Vec<u8>>,
    /// Certificates in DER that may help to build a path. They are not trusted.
    pub intermediates: Vec<Vec<u8>>,
    /// Pairs of a label and a domain. The checker accepts a signer whose certificate contains one of the domains or a name below it. The
    /// verdict contains the label of the matching pair.
    pub names: Vec<(String, String)>,
    /// Limits on hostile input.
    pub limits: Limits,
    /// Maximum difference in seconds between the clocks of signer and verifier. The default is 120.
    pub skew: i64,
    /// Maximum number of seconds since `createdOn`. `None`, the default, allows any age.
    pub max_age: Option<i64>,
    /// Whether to refuse every document for which the caller gives no nonce.
    pub require_nonce: bool,
    /// Whether to build and validate a certification path. If this is `false`, the checker does **not** authenticate the signer.
    pub check_chain: bool,
    /// Whether to check `createdOn`, `expiresOn` and `max_age`.
    pub check_times: bool,
    /// Whether to refuse an empty `vmId`.
    pub require_vm_id: bool,
    /// Whether to accept the subject's common name if a certificate has no subject alternative name.
    pub allow_common_name: bool,
    /// Minimum size of the RSA keys of the signer and of every certificate on the path, in bits. The default is 2048.
    pub min_rsa_bits: u32,
    /// Certificate revocation lists in DER.
    pub crls: Vec<Vec<u8>>,
    /// Whether to refuse a certificate for which there is no usable list. This setting has an effect only if `crls` is not empty.
    pub require_crl: bool,
}

/// Returns settings that trust nobody.
impl Default for Setup {
    fn default() -> Self {
        Self {
            anchors: Vec::new(),
            intermediates: Vec::new(),
            names: Vec::new(),
            limits: Limits::default(),
            skew: 120,
            max_age: None,
            require_nonce: false,
            check_chain: true,
            check_times: true,
            require_vm_id: true,
            allow_common_name: false,
            min_rsa_bits: 2048,
            crls: Vec::new(),
            require_crl: true,
        }
    }
}
