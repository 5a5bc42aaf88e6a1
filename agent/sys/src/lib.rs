//! System calls that no safe crate offers: the only unsafe code of the workspace.
//!
//! Each function checks what it is given, makes one call and says why that is sound.
//!
//! * [`block`]: partition tables in the kernel.
//! * [`fs`]: file systems that grow while they are mounted.
//! * [`kexec`]: the kernel that the next restart begins with.
//! * [`net`]: addresses and routes.
//! * [`nvme`], [`scsi`]: commands to the devices themselves.

pub mod block;
pub mod fs;
pub mod kexec;
pub mod net;
pub mod nvme;
pub mod scsi;
