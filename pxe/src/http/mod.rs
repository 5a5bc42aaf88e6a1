//! HTTP/1.1: scripts, kernels, ramdisks, images, and loaders for UEFI HTTP boot.
//!
//! Every answer has a `Content-Length`, to HEAD as well: UEFI asks for it first and sizes its buffer by it. A slow or
//! hostile peer holds a bounded number of connections for a bounded time without progress.

mod body;
mod listener;
mod range;
mod service;
mod stall;

pub(crate) use listener::HttpServer;
