//! What tenants may have, and what they had.
//!
//! * [`Band`]: how urgent a lease is. [`Allowance`]: what an administrator allows a tenant.
//! * [`Usage`]: what it has, and what it had as far as that counts still: [`Used`] for its share, [`Bucket`] for its
//!   node-hours. [`Standing`]: the same with what it was promised, held against its quotas.

mod allowance;
mod band;
mod bucket;
mod standing;
mod usage;
mod used;

pub use allowance::{Allowance, NodeHours, Setting, hours};
pub use band::Band;
pub use bucket::Bucket;
pub use standing::{Count, Demand, Standing};
pub(crate) use standing::{bar, next_opening};
pub use usage::Usage;
pub(crate) use used::remaining;
pub use used::{HALF_LIFE_MS, Used, lasting, part_of};
