//! How things look to people: pure functions from the model to text, without a terminal and without a clock.

pub(crate) mod account;
pub(crate) mod lease;
pub(crate) mod live;
pub(crate) mod look;
pub(crate) mod node;
pub(crate) mod phases;
pub(crate) mod pool;
pub(crate) mod preview;
pub(crate) mod record;
pub(crate) mod reservation;
pub(crate) mod run;
pub(crate) mod swf;
pub(crate) mod table;
pub(crate) mod tenant;
pub(crate) mod time;
