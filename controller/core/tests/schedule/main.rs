//! The scheduler alone: what it promises, and random histories in which it has to keep that.

mod given;
mod histories;
mod order;
mod promises;
