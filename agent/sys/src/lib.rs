//! System calls that no safe crate offers: the only unsafe code of the workspace.
//!
//! Each function checks what it is given, makes one call and says why that is sound.
//!
//! * [`net`]: addresses and routes.
//! * [`block`]: block devices.
//! * [`nvme`], [`scsi`]: commands to the devices themselves.

pub mod block;
pub mod net;
pub mod nvme;
pub mod scsi;
