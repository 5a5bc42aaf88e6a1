//! Message authentication codes.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;

/// The code of `parts` one after the other.
pub(super) fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// True if `given` is the first `len` bytes of `computed`. Takes the same time wherever they differ.
pub(super) fn matches(computed: &hmac::Tag, len: usize, given: &[u8]) -> bool {
    computed.as_ref().get(..len).is_some_and(|computed| computed.ct_eq(given).into())
}
