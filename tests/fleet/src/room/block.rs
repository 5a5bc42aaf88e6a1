//! Which part of 127.0.0.0/8 a room has.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

/// Two networks of sixteen bits that no other room of this system has: 127.n.0.0 for machines and 127.(n + 1).0.0 for
/// their controllers.
#[derive(Debug)]
pub struct Block {
    first: u8,
    /// Whoever has this socket has the block.
    _claim: UdpSocket,
}

/// 127.0.0.1 and its neighbourhood is everybody's.
const FIRST: u8 = 16;
const LAST: u8 = 252;
/// Any; on an address that no machine has.
const CLAIM_PORT: u16 = 6230;

impl Block {
    /// The first that is free.
    ///
    /// # Errors
    /// If none is.
    pub fn claim() -> io::Result<Self> {
        (FIRST..=LAST).step_by(2).find_map(|first| Self::claim_at(first).ok()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::AddrInUse,
                "all networks from 127.16 to 127.253 have a machine room already",
            )
        })
    }

    /// This one.
    ///
    /// # Errors
    /// If another room has it.
    pub fn claim_at(first: u8) -> io::Result<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::new(127, first, 255, 254), CLAIM_PORT))?;
        Ok(Self { first, _claim: claim })
    }

    /// The second byte of the machines' addresses.
    #[must_use]
    pub const fn first(&self) -> u8 {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::Block;

    #[test]
    fn no_two_rooms_have_the_same_block() {
        let (one, other) = (Block::claim().unwrap(), Block::claim().unwrap());
        assert_ne!(one.first(), other.first());
        assert!(Block::claim_at(one.first()).is_err());
        let freed = one.first();
        drop(one);
        Block::claim_at(freed).unwrap();
    }
}
