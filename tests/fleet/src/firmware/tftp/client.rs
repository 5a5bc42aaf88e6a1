//! One transfer, from the request to the last acknowledgement.

use super::super::download::Download;
use super::super::machine::Timing;
use super::packet::{self, Packet};
use super::receiver::{Receiver, Step};
use crate::network::{CableSocket, Nic};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

const DEFAULT_BLOCK_SIZE: u16 = 512;
/// The largest block (RFC 2348) and its header.
const LONGEST: usize = 65_464 + 4;
/// UEFI aborts a transfer so when it has learned the size.
const USER_ABORTED: u16 = 8;
const UNKNOWN_TRANSFER: u16 = 5;

/// What to ask for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The server.
    pub server: Ipv4Addr,
    /// The path.
    pub path: &'a str,
    /// The client's port.
    pub port: u16,
    /// `blksize` to ask for.
    pub block_size: Option<u16>,
    /// Asks for the size.
    pub tsize: bool,
    /// `windowsize` to ask for.
    pub window: Option<u16>,
    /// Gives up at a block from the future, as SLOF does.
    pub strict: bool,
}

/// What was negotiated, and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes in a block.
    pub block_size: u16,
    /// Blocks in a window.
    pub window: u16,
    /// The size that the server told, if it was asked.
    pub tsize: Option<u64>,
}

/// Why a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum TftpError {
    /// The server refused it.
    #[error("the server says {message:?} (error {code})")]
    Refused {
        /// RFC 1350 section 5.
        code: u16,
        /// For people.
        message: String,
    },
    /// No packet, for longer than the client asks again.
    #[error("the server is silent")]
    Silence,
    /// An option that was not asked for, or with another value than may be answered.
    #[error("the server answers {name} with {value:?}")]
    BadOption {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The size was asked for.
    #[error("the server does not tell the size")]
    NoSize,
    /// The size that was told is not the one that came.
    #[error("the server told {told} bytes and sent {sent}")]
    WrongSize {
        /// In `tsize`.
        told: u64,
        /// Received.
        sent: u64,
    },
    /// A block from the future, to a client that gives up at it.
    #[error("block {0} came before its turn")]
    Ahead(u16),
    /// The simulation itself: no socket.
    #[error("the simulated interface has no socket")]
    Socket(#[from] io::Error),
}

/// Loads a file.
///
/// # Errors
/// See [`TftpError`].
pub async fn get(
    nic: &Nic,
    timing: &Timing,
    request: Request<'_>,
    download: &mut Download,
) -> Result<Transfer, TftpError> {
    let mut exchange = Exchange::open(nic, timing, request)?;
    let before = download.bytes();
    let transfer = exchange.load(download).await?;
    let sent = download.bytes() - before;
    match transfer.tsize {
        Some(told) if told != sent => Err(TftpError::WrongSize { told, sent }),
        _ => Ok(transfer),
    }
}

/// Asks for the size of a file and aborts the transfer, as UEFI and some PXE ROMs do.
///
/// # Errors
/// See [`TftpError`].
pub async fn probe(nic: &Nic, timing: &Timing, request: Request<'_>) -> Result<u64, TftpError> {
    let mut exchange = Exchange::open(nic, timing, request)?;
    match exchange.first().await? {
        First::Options(transfer) => {
            exchange.send(packet::error(USER_ABORTED, "User aborted the transfer")).await?;
            transfer.tsize.ok_or(TftpError::NoSize)
        }
        First::Data { .. } => Err(TftpError::NoSize),
    }
}

/// The first answer.
enum First {
    /// Options were accepted; the transfer waits for ACK 0.
    Options(Transfer),
    /// The server knows no options.
    Data { block: u16, length: usize },
}

struct Exchange<'a> {
    socket: CableSocket,
    timing: &'a Timing,
    request: Request<'a>,
    /// Where the server listens, until it has answered from the port of this transfer.
    peer: SocketAddrV4,
    answered: bool,
    /// The last packet that was sent.
    last: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Exchange<'a> {
    fn open(nic: &Nic, timing: &'a Timing, request: Request<'a>) -> io::Result<Self> {
        let socket = nic.cable().udp(request.port)?;
        let peer = nic.ports().locate(request.server, 69);
        let buffer = vec![0; LONGEST];
        Ok(Self { socket, timing, request, peer, answered: false, last: Vec::new(), buffer })
    }

    async fn load(&mut self, download: &mut Download) -> Result<Transfer, TftpError> {
        let (transfer, mut received) = match self.first().await? {
            First::Options(transfer) => {
                self.send(packet::ack(0)).await?;
                (transfer, None)
            }
            First::Data { block, length } => {
                let plain = Transfer { block_size: DEFAULT_BLOCK_SIZE, window: 1, tsize: None };
                (plain, Some((block, length)))
            }
        };
        let mut receiver =
            Receiver::new(usize::from(transfer.block_size), transfer.window, self.request.strict);
        loop {
            let (block, length) = match received.take() {
                Some(first) => first,
                None => self.data(&mut receiver).await?,
            };
            let reply = match receiver.block(block, length) {
                Step::Take(reply) => {
                    download.take(&self.buffer[4..4 + length]);
                    reply
                }
                Step::Last(reply) => {
                    download.take(&self.buffer[4..4 + length]);
                    self.send(reply).await?;
                    return Ok(transfer);
                }
                Step::Skip(reply) => reply,
                Step::Ahead => return Err(TftpError::Ahead(block)),
            };
            if let Some(reply) = reply {
                self.send(reply).await?;
            }
        }
    }

    /// Sends the request until something comes back.
    async fn first(&mut self) -> Result<First, TftpError> {
        let request = self.request;
        let mut options = Vec::new();
        options.extend(request.tsize.then_some(("tsize", 0)));
        options.extend(request.block_size.map(|size| ("blksize", u64::from(size))));
        options.extend(request.window.map(|window| ("windowsize", u64::from(window))));
        self.send(packet::read_request(request.path, &options)).await?;
        loop {
            let length = self.receive(None).await?;
            match Packet::decode(&self.buffer[..length]) {
                Some(Packet::OptionAck(options)) => return self.negotiated(options).map(First::Options),
                Some(Packet::Data { block, bytes }) => {
                    return Ok(First::Data { block, length: bytes.len() });
                }
                Some(Packet::Error { code, message }) => return Err(TftpError::Refused { code, message }),
                None => {}
            }
        }
    }

    fn negotiated(&self, options: Vec<(String, String)>) -> Result<Transfer, TftpError> {
        let mut transfer = Transfer { block_size: DEFAULT_BLOCK_SIZE, window: 1, tsize: None };
        for (name, value) in options {
            let number: Option<u64> = value.parse().ok();
            let small = number.and_then(|number| u16::try_from(number).ok());
            let accepted = match (name.as_str(), self.request.block_size, self.request.window) {
                ("tsize", ..) if self.request.tsize => number.map(|size| transfer.tsize = Some(size)),
                ("blksize", Some(most), _) => {
                    small.filter(|size| (8..=most).contains(size)).map(|size| transfer.block_size = size)
                }
                ("windowsize", _, Some(most)) => {
                    small.filter(|size| (1..=most).contains(size)).map(|size| transfer.window = size)
                }
                _ => None,
            };
            accepted.ok_or(TftpError::BadOption { name, value })?;
        }
        Ok(transfer)
    }

    /// The next block: its number, and the length of its bytes, which are in the buffer.
    async fn data(&mut self, receiver: &mut Receiver) -> Result<(u16, usize), TftpError> {
        loop {
            let length = self.receive(Some(receiver)).await?;
            match Packet::decode(&self.buffer[..length]) {
                Some(Packet::Data { block, bytes }) => return Ok((block, bytes.len())),
                Some(Packet::Error { code, message }) => return Err(TftpError::Refused { code, message }),
                // The acknowledgement of the options was lost.
                Some(Packet::OptionAck(_)) => self.resend().await?,
                None => {}
            }
        }
    }

    /// The next packet of the server. In silence, the last packet is sent again.
    async fn receive(&mut self, mut receiver: Option<&mut Receiver>) -> Result<usize, TftpError> {
        for _ in 0..=self.timing.tftp_retries {
            if let Ok(received) = tokio::time::timeout(self.timing.tftp, self.next_packet()).await {
                return Ok(received?);
            }
            if let Some(receiver) = &mut receiver {
                self.last = receiver.restart();
            }
            self.resend().await?;
        }
        Err(TftpError::Silence)
    }

    /// The server answers from its address and a port of its choice, which then stays the same (RFC 1350 section 4).
    async fn next_packet(&mut self) -> io::Result<usize> {
        loop {
            let (length, from) = self.socket.recv_from(&mut self.buffer).await?;
            if from == self.peer && self.answered {
                return Ok(length);
            }
            if !self.answered && from.ip() == self.peer.ip() {
                self.answered = true;
                self.peer = from;
                return Ok(length);
            }
            self.socket.send_to(&packet::error(UNKNOWN_TRANSFER, "Unknown transfer ID"), from).await?;
        }
    }

    async fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        self.last = packet;
        self.resend().await
    }

    async fn resend(&self) -> io::Result<()> {
        self.socket.send_to(&self.last, self.peer).await
    }
}
