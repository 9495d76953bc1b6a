//! Enhanced authentication by SCRAM-SHA-256 (section 4.12, RFC 7677), with the crate rsasl: both sides.

mod access;
mod authenticator;
mod impostor;

use rsasl::mechanisms::scram::SCRAM_SHA256;
use rsasl::prelude::Mechanism;

pub use self::access::ScramAccess;
pub use self::authenticator::{ScramAuthenticator, Trust};
pub use self::impostor::Impostor;

/// The Authentication Method.
pub const METHOD: &str = "SCRAM-SHA-256";
/// The only user that the broker of the lab knows.
pub const USER: &str = "ada";
/// The password of this user. The broker derives its keys from it when it starts, and keeps only these.
pub const PASSWORD: &str = "analytical engine";

/// Nothing that is weaker.
static MECHANISMS: &[Mechanism] = &[SCRAM_SHA256];
