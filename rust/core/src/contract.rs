//! What crosses the seam: the twin of `backends/contract.py`, which says what each member means.

/// Bounds on hostile input. All are inclusive.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Size of the document as given, before any decoding.
    pub document_bytes: usize,
    /// Certificates inside one message.
    pub certificates: usize,
    /// Opening braces and brackets in one JSON text.
    pub json_brackets: usize,
    /// Certificates on one path, signer and anchor included.
    pub path_certificates: usize,
    /// Budget of a search for a path, in RSA-2048 verifications of the Python backend.
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

/// All that a checker must know before it sees a document.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // the record of the contract
pub struct Setup {
    /// Trusted certificates, DER.
    pub anchors: Vec<Vec<u8>>,
    /// Certificates that may help to build a path, DER.
    pub intermediates: Vec<Vec<u8>>,
    /// Accepted signers as (label, domain).
    pub names: Vec<(String, String)>,
    /// Bounds on hostile input.
    pub limits: Limits,
    /// Seconds by which the clocks of signer and verifier may differ.
    pub skew: i64,
    /// Seconds since `createdOn`.
    pub max_age: Option<i64>,
    /// Refuse to check without a nonce.
    pub require_nonce: bool,
    /// False leaves the whole chain stage out.
    pub check_chain: bool,
    /// False leaves out createdOn, expiresOn and `max_age`.
    pub check_times: bool,
    /// An empty `vmId` is refused.
    pub require_vm_id: bool,
    /// Accept the subject's common name where a certificate has no subject alternative name.
    pub allow_common_name: bool,
    /// Of the signer and of every key in the chain.
    pub min_rsa_bits: u32,
    /// Certificate revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
    /// A certificate for which no usable list speaks is refused.
    pub require_crl: bool,
}

/// The defaults of the twin; nobody is trusted.
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
