//! A management controller that answers RMCP+ with cipher suites 3 and 17 and switches a [`crate::chassis`].
//!
//! It is as strict as the strictest controllers: sessions begin at the level "user", slots are few, a repeated RAKP
//! message 1 gets another random number, a packet is believed once. What real ones do wrong is in [`Faults`]; what a
//! test wants to know of it afterwards in [`Journal`].
//!
//! ```text
//! SimBmc       the socket
//! Firmware     datagram in, datagram out; no I/O
//!   login      open session, RAKP messages
//!   slots      half-open and active sessions
//!   commands   what a session may ask
//!   discovery  what anybody may ask
//! ```

mod boot_options;
mod commands;
mod config;
mod discovery;
mod faults;
mod firmware;
mod journal;
mod login;
mod server;
mod slots;

pub use config::BmcConfig;
pub use faults::{BmcFaults, Faults};
pub use journal::{Journal, Record};
pub use server::SimBmc;
