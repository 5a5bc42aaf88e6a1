//! Images as they are added: what they are, and whether a machine could start from them.
//!
//! A bad image is refused here, where it is entered, and not by a machine that has already been wiped for it. Looking
//! at an image means decoding all of it once:
//!
//! * [`intake`] takes an upload in, if it is what it is said to be;
//! * [`mod@format`]: what a file is, by its first bytes;
//! * [`disk`]: disk images, decoded or converted;
//! * [`table`]: the partition table, which says whether this is a disk at all, of which size and for which machines;
//! * [`qcow2`]: QEMU's format, which cannot be written as it arrives, so it is turned into a compressed raw image;
//! * [`kernel`], [`initrd`]: the halves of an image for machines that start without a disk.

mod disk;
mod format;
mod initrd;
mod intake;
mod kernel;
mod qcow2;
mod table;

pub(crate) use intake::{Form, take_in};

/// The largest disk that is believed; more is a mistake, or a bomb of compressed zeros.
const MAX_DISK: u64 = 16 << 40;

/// Read at once.
const PIECE: usize = 1 << 20;

/// What a decoder says, in words.
fn broken(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => anyhow::anyhow!("it ends in the middle: the file is truncated"),
        _ => anyhow::Error::new(error).context("it is damaged"),
    }
}
