//! Why a machine does not boot.

use super::http::HttpError;
use super::tftp::TftpError;
use std::io;
use std::net::Ipv4Addr;

/// Why a machine does not boot. It then sits there, powered on, until it is restarted.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// Nobody offered an address.
    #[error("no DHCP offer after {discovers} DISCOVERs")]
    NoOffer {
        /// How often it asked.
        discovers: usize,
    },
    /// An offer that was not kept.
    #[error("no DHCP acknowledgement of {address}")]
    NoAck {
        /// That was offered.
        address: Ipv4Addr,
    },
    /// The server refused what it had offered.
    #[error("the DHCP server refused {address}")]
    Nak {
        /// That was offered.
        address: Ipv4Addr,
    },
    /// Not the address of this machine's cable.
    #[error("the DHCP server gave {given}, but this machine is at {expected}")]
    WrongAddress {
        /// By DHCP.
        given: Ipv4Addr,
        /// Of the cable.
        expected: Ipv4Addr,
    },
    /// The answer calls itself one for PXE clients, but does not say to boot the file: PXE looks for boot servers then.
    #[error("the DHCP answer sends the machine to look for boot servers")]
    BootServerDiscovery,
    /// The answer names nothing to load.
    #[error("the DHCP answer names no boot file")]
    NoBootFile,
    /// iPXE was told to load what the ROM loads: it would do so for ever.
    #[error("iPXE is told to load {0:?}, which is no URL of a script")]
    LoaderLoop(String),
    /// A transfer by TFTP.
    #[error("cannot load {path} by TFTP")]
    Tftp {
        /// That was asked for.
        path: String,
        /// What went wrong.
        source: TftpError,
    },
    /// A transfer by HTTP.
    #[error("cannot load {url}")]
    Http {
        /// That was asked for.
        url: String,
        /// What went wrong.
        source: HttpError,
    },
    /// What was loaded is no program for this machine.
    #[error("{path} is no program for this machine: {reason}")]
    BadLoader {
        /// That was loaded.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// A script that the loader does not understand.
    #[error("line {line} of {script}: {reason}")]
    Script {
        /// Its URL or path.
        script: String,
        /// From 1.
        line: usize,
        /// Why not.
        reason: String,
    },
    /// A script ended without booting anything.
    #[error("{script} ended without booting anything, the machine is at a prompt")]
    Prompt {
        /// Its URL or path.
        script: String,
    },
    /// Neither the network nor the disk.
    #[error("no bootable device")]
    NoBootableDevice {
        /// Why not the network, if it was tried.
        #[source]
        network: Option<Box<FirmwareError>>,
    },
    /// The simulation itself: no socket.
    #[error("the simulated interface has no socket")]
    Socket(#[from] io::Error),
}

impl FirmwareError {
    /// True if firmware that cannot boot from the network for this reason goes on to the next device. What it was
    /// told wrongly is not passed over, so that a wrong server is noticed.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::NoOffer { .. }
                | Self::NoAck { .. }
                | Self::Nak { .. }
                | Self::NoBootFile
                | Self::Tftp { .. }
        )
    }
}
