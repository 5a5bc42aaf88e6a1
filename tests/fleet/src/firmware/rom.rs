//! What firmware itself does before it starts a loader: DHCP, and TFTP in the manner of its kind.

use super::boot::Board;
use super::dhcp::{Lease, Profile, lease};
use super::download::Download;
use super::error::FirmwareError;
use super::loader;
use super::machine::Kind;
use super::tftp::{Request, TftpError, get, probe};
use std::io;

/// Gets an address and loads the first program.
pub(super) async fn load(board: Board<'_>) -> Result<Lease, FirmwareError> {
    let kind = board.machine.kind;
    let lease = lease(Profile::Firmware(kind), board.machine, board.nic, board.console).await?;
    if lease.file.is_empty() {
        return Err(FirmwareError::NoBootFile);
    }
    let mut loaded = Download::new(Download::HEADERS);
    let plain = Request {
        server: lease.next_server,
        path: &lease.file,
        port: 0,
        block_size: None,
        tsize: false,
        window: None,
        strict: false,
    };
    fetch(board, plain, &mut loaded)
        .await
        .map_err(|source| FirmwareError::Tftp { path: lease.file.clone(), source })?;
    board.say(&format!("TFTP: {} bytes of {}", loaded.bytes(), lease.file));
    loader::check(kind, &lease.file, &loaded)?;
    Ok(lease)
}

async fn fetch(board: Board<'_>, plain: Request<'_>, loaded: &mut Download) -> Result<(), TftpError> {
    let (nic, timing) = (board.nic, &board.machine.timing);
    match board.machine.kind {
        // As seen of Intel's ROM: the first request is for the size only, the next comes from the next port.
        Kind::Bios => {
            let asked = Request { port: 2070, block_size: Some(1456), tsize: true, ..plain };
            let size = probe(nic, timing, asked).await?;
            let transfer = Request { port: 2071, block_size: Some(1456), ..plain };
            get(nic, timing, transfer, loaded).await?;
            expect(size, loaded)
        }
        Kind::UefiX86 | Kind::UefiArm => {
            let port = first_port()?;
            let options = Request { block_size: Some(1468), window: Some(4), ..plain };
            let size = probe(nic, timing, Request { port, tsize: true, ..options }).await?;
            get(nic, timing, Request { port: port + 1, ..options }, loaded).await?;
            expect(size, loaded)
        }
        Kind::Slof => {
            let transfer = Request { port: 2001, block_size: Some(1428), strict: true, ..plain };
            get(nic, timing, transfer, loaded).await.map(|_| ())
        }
    }
}

fn expect(told: u64, loaded: &Download) -> Result<(), TftpError> {
    let sent = loaded.bytes();
    if told == sent { Ok(()) } else { Err(TftpError::WrongSize { told, sent }) }
}

/// UEFI begins at a random port and counts from there, so a machine that starts anew asks from another one.
fn first_port() -> io::Result<u16> {
    let mut bytes = [0; 2];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(1024 + (u16::from_be_bytes(bytes) % 20_000) * 2)
}
