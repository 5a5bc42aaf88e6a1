//! What became of content that was fetched.

use aws_lc_rs::digest::{Context, SHA256};

/// Content that is hashed as it comes and then forgotten, but for its beginning.
pub struct Download {
    hash: Context,
    bytes: u64,
    head: Vec<u8>,
    keep: usize,
}

impl Download {
    /// Enough for the headers of a program.
    pub const HEADERS: usize = 4096;
    /// No script of Hostler is longer.
    pub const SCRIPT: usize = 64 << 10;

    /// Nothing yet; the first `keep` bytes will be kept.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { hash: Context::new(&SHA256), bytes: 0, head: Vec::new(), keep }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        let room = self.keep - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// How many there were.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first ones.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The SHA-256 of all.
    #[must_use]
    pub fn sha256(self) -> [u8; 32] {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.hash.finish().as_ref());
        sum
    }
}
