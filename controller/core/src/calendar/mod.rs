//! What is known beforehand of when machines are not to be had: drains with times, and machines that are set aside.

mod outage;
mod reservation;
mod reserved;
mod stay;
mod window;

pub use outage::{Outage, Times};
pub use reservation::{Every, Group, MOST_RESERVATIONS, Machines, Reservation, Wanted};
pub use reserved::{Bar, Reserved};
pub(crate) use stay::Stay;
pub use window::{Again, Window};

/// Nothing is planned for later than this, in milliseconds from now: a year.
const FARTHEST_MS: u64 = 366 * 24 * 3_600_000;
