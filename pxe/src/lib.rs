//! The boot server: what machines meet when they boot from the network.
//!
//! It decides nothing. [`BootSource`] says who a machine is and what it boots; this crate renders that in the
//! languages of firmware and loaders, and tells the source what it saw:
//!
//! * [`dhcp`] gives registered machines their reserved address and names the first program to load;
//! * TFTP hands out that program, and GRUB's configuration;
//! * HTTP hands out scripts, kernels, ramdisks and images;
//! * [`render`](mod@render) writes a boot plan as an iPXE script or a GRUB configuration.
//!
//! A machine is known by the source address of its request, once it has one. Nothing that it writes into a request
//! makes it another machine, so that a secret is rendered for the machine that it belongs to only.
//!
//! [`BootServer`] runs all of it:
//!
//! ```no_run
//! # use hostler_pxe::{BootServer, BootSource, Catalogue, Settings};
//! # async fn example(source: std::sync::Arc<dyn BootSource>) -> Result<(), Box<dyn std::error::Error>> {
//! let catalogue = Catalogue::new().directory("/srv/boot".as_ref())?;
//! let server = BootServer::bind(Settings::new([10, 0, 0, 1].into()), catalogue, source).await?;
//! server.run(tokio_util::sync::CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

mod admission;
mod content;
pub mod dhcp;
mod http;
mod images;
mod library;
pub mod names;
pub mod render;
mod server;
mod settings;
mod source;
mod tftp;

pub use content::{Catalogue, Source};
pub use images::{Arriving, ImageStore, Images};
pub use server::{Addresses, BootServer, Error};
pub use settings::{BaseUrl, NotABaseUrl, Settings};
pub use source::{BootSource, Client, Observation};
