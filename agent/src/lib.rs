//! Hostler's agent: the part that runs on the leased machine.
//!
//! * [`run_ramdisk`]: in the boot ramdisk it enrols with its one-time token, then inspects, wipes and deploys.
//! * [`run_deployed`]: in the deployed system it reports health and runs payloads.
//!
//! Both see hardware only through [`Machine`] and [`Disk`]. They keep no process-wide state, so that hundreds of
//! agents run in one process; dropping the future of one is like cutting its machine's power, payloads included.

mod atomic;
mod backoff;
mod clock;
mod controllers;
mod deployed;
pub mod device;
mod disk;
mod enrol;
mod error;
mod http;
mod identity;
pub mod linux;
mod machine;
mod params;
mod ramdisk;
mod random;
mod runs;
mod session;
mod tls;
mod url;
mod wire;

pub use deployed::run_deployed;
pub use disk::{Disk, DiskInfo, FileDisk};
pub use enrol::EnrolError;
pub use error::{Error, Exit};
pub use http::HttpError;
pub use identity::{DeployedIdentity, Secret};
pub use machine::{
    BoxedStream, BurnIn, DisklessSystem, Installed, Inventory, Load, Machine, Nic, Stream, dial_tcp,
};
pub use params::{BootParams, Network, ParamError};
pub use ramdisk::run_ramdisk;
pub use tls::TlsError;
pub use url::{ControllerUrl, HttpUrl, UrlError};
