//! Power-on.

use super::error::FirmwareError;
use super::machine::{Console, Kind, Machine};
use super::{grub, ipxe, rom};
use crate::chassis::BootDevice;
use crate::network::Nic;

/// What the machine runs in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booted {
    /// A kernel from the network.
    Kernel {
        /// Its command line.
        args: String,
        /// Of the kernel.
        kernel_sha256: [u8; 32],
        /// Of the ramdisk.
        ramdisk_sha256: [u8; 32],
        /// Of both together.
        bytes: u64,
    },
    /// What is on the first local disk.
    LocalDisk,
}

/// What a loader comes to.
pub(super) enum Outcome {
    Booted(Booted),
    /// It restarts the machine.
    Restart,
}

/// What firmware and loaders work with.
#[derive(Clone, Copy)]
pub(super) struct Board<'a> {
    pub(super) machine: &'a Machine,
    pub(super) nic: &'a Nic,
    pub(super) console: &'a Console<'a>,
}

impl Board<'_> {
    pub(super) fn say(&self, line: &str) {
        (self.console)(line);
    }

    /// A kernel and a ramdisk were loaded by whatever loader.
    pub(super) fn start_kernel(&self, booted: Booted) -> Outcome {
        if let Booted::Kernel { args, .. } = &booted {
            self.say(&format!("Linux starts: {args}"));
        }
        Outcome::Booted(booted)
    }
}

/// Boots `machine` from `device` until it runs something. A script that tells it to wait is obeyed, however long it
/// takes; dropping the future is cutting the power.
///
/// # Errors
/// The machine is powered on and dead: it does nothing more until it is started anew.
pub async fn boot(
    machine: &Machine,
    nic: &Nic,
    device: BootDevice,
    console: &Console<'_>,
) -> Result<Booted, FirmwareError> {
    let board = Board { machine, nic, console };
    loop {
        board.say(&format!("{:?} firmware starts", machine.kind));
        tokio::time::sleep(machine.timing.self_test).await;
        match start(board, device).await? {
            Outcome::Booted(booted) => return Ok(booted),
            Outcome::Restart => board.say("restart"),
        }
    }
}

async fn start(board: Board<'_>, device: BootDevice) -> Result<Outcome, FirmwareError> {
    match device {
        BootDevice::Disk => disk(board, None),
        BootDevice::Network => network(board).await,
        BootDevice::None => match network(board).await {
            Err(error) if error.is_silence() => {
                board.say(&format!("network boot failed: {error}"));
                disk(board, Some(Box::new(error)))
            }
            outcome => outcome,
        },
    }
}

fn disk(board: Board<'_>, network: Option<Box<FirmwareError>>) -> Result<Outcome, FirmwareError> {
    if board.machine.bootable_disk {
        board.say("booting from the local disk");
        return Ok(Outcome::Booted(Booted::LocalDisk));
    }
    board.say("No bootable device.");
    Err(FirmwareError::NoBootableDevice { network })
}

async fn network(board: Board<'_>) -> Result<Outcome, FirmwareError> {
    let lease = rom::load(board).await?;
    match board.machine.kind {
        Kind::Bios | Kind::UefiX86 => ipxe::run(board).await,
        Kind::UefiArm | Kind::Slof => grub::run(board, lease.next_server).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Cable, Ports};
    use std::net::Ipv4Addr;

    /// Boots where nobody answers DHCP.
    async fn boot_in_silence(
        address: [u8; 4],
        device: BootDevice,
        bootable_disk: bool,
    ) -> Result<Booted, FirmwareError> {
        let server = Ipv4Addr::from(address);
        // Bound and never read, so that nothing is refused either.
        let silent = std::net::UdpSocket::bind((server, 0)).unwrap();
        let port = silent.local_addr().unwrap().port();
        let nic = Nic::new([2; 6], Cable::new(server), Ports::default().with(server, 67, port), server);
        let machine = Machine { bootable_disk, ..Machine::new(Kind::Bios, uuid::Uuid::nil()) };
        boot(&machine, &nic, device, &|_| ()).await
    }

    #[tokio::test(start_paused = true)]
    async fn firmware_asks_four_times_for_an_address_and_is_dead_then() {
        let started = tokio::time::Instant::now();
        let error = boot_in_silence([127, 60, 0, 1], BootDevice::Network, true).await.unwrap_err();
        assert!(matches!(error, FirmwareError::NoOffer { discovers: 4 }), "{error}");
        assert_eq!(started.elapsed().as_secs(), 4 + 8 + 16 + 32);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_network_the_disk_is_next() {
        let booted = boot_in_silence([127, 60, 0, 2], BootDevice::None, true).await.unwrap();
        assert_eq!(booted, Booted::LocalDisk);
        let error = boot_in_silence([127, 60, 0, 3], BootDevice::None, false).await.unwrap_err();
        assert!(matches!(error, FirmwareError::NoBootableDevice { network: Some(_) }), "{error}");
    }

    #[tokio::test]
    async fn the_disk_alone_needs_no_network() {
        let booted = boot_in_silence([127, 60, 0, 4], BootDevice::Disk, true).await.unwrap();
        assert_eq!(booted, Booted::LocalDisk);
        let error = boot_in_silence([127, 60, 0, 5], BootDevice::Disk, false).await.unwrap_err();
        assert!(matches!(error, FirmwareError::NoBootableDevice { network: None }), "{error}");
    }
}
