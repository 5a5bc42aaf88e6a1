//! Who is who: the certificate authority and the names in its certificates.

mod authority;
mod identity;

pub(crate) use authority::{Authority, Issued, SigningRequest, create};
pub(crate) use identity::Identity;
