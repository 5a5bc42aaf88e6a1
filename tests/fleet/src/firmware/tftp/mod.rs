//! A TFTP client: RFC 1350, with the options of RFC 2347, 2348, 2349 and 7440. It has packet code of its own, so that
//! client and server cannot share a mistake.

mod client;
mod packet;
mod receiver;

pub use client::{Request, TftpError, Transfer, get, probe};
