//! Undoing an image's compression while it is being fetched.

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use std::fmt;
use std::io::{self, Write as _};
use std::str::FromStr;
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation as _, OutBuffer};

/// What zstd hands out at once: the size of its largest block.
const BLOCK: usize = 128 << 10;

/// How an image is compressed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

/// A name of something else.
#[derive(Debug, thiserror::Error)]
#[error("this agent knows no encoding {0:?}, only \"gzip\", \"zstd\" and none")]
pub(crate) struct UnknownEncoding(String);

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        match name {
            "" => Ok(Self::Plain),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            other => Err(UnknownEncoding(other.chars().take(32).collect())),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain bytes",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Takes what comes and hands out what it stands for, a bounded amount at a time: a few bytes may stand for gigabytes.
///
/// What it keeps itself is bounded as well: 32 KiB of history for gzip, and at most 128 MiB for zstd, which refuses
/// what was compressed with more ("--long=28" and above).
pub(crate) enum Decoder {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd>),
}

pub(crate) struct Zstd {
    context: ZstdDecoder<'static>,
    block: Vec<u8>,
    /// The last block was full, so there may be more without more input.
    more: bool,
    /// Between two frames, where the input may end.
    whole: bool,
}

impl Decoder {
    pub(crate) fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Plain => Self::Plain,
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Encoding::Zstd => Self::Zstd(Box::new(Zstd {
                context: ZstdDecoder::new()?,
                block: vec![0; BLOCK],
                more: false,
                whole: false,
            })),
        })
    }

    /// Takes from `input` and appends to `output` until the one is empty or the other has `limit` bytes, or a block
    /// more. To be called again, with more room, until [`Decoder::wants_room`] is false and `input` is empty.
    pub(crate) fn decode(
        &mut self,
        input: &mut Bytes,
        output: &mut BytesMut,
        limit: usize,
    ) -> io::Result<()> {
        while output.len() < limit && (!input.is_empty() || self.wants_room()) {
            match self {
                Self::Plain => {
                    let room = limit - output.len();
                    output.extend_from_slice(&input.split_to(room.min(input.len())));
                }
                Self::Gzip(gzip) => {
                    let taken = gzip.write(input)?;
                    if taken == 0 {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the decoder does not go on"));
                    }
                    input.advance(taken);
                    output.extend_from_slice(gzip.get_ref());
                    gzip.get_mut().clear();
                }
                Self::Zstd(zstd) => zstd.step(input, output)?,
            }
        }
        Ok(())
    }

    /// True if there is more to hand out without more input.
    pub(crate) fn wants_room(&self) -> bool {
        matches!(self, Self::Zstd(zstd) if zstd.more)
    }

    /// There is no more input. Appends what is left, which is at most one block.
    pub(crate) fn finish(&mut self, output: &mut BytesMut) -> io::Result<()> {
        match self {
            Self::Plain => Ok(()),
            Self::Gzip(gzip) => {
                gzip.try_finish()?;
                output.extend_from_slice(gzip.get_ref());
                gzip.get_mut().clear();
                Ok(())
            }
            Self::Zstd(zstd) if zstd.whole => Ok(()),
            Self::Zstd(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete frame")),
        }
    }
}

impl Zstd {
    fn step(&mut self, input: &mut Bytes, output: &mut BytesMut) -> io::Result<()> {
        let mut from = InBuffer::around(&input[..]);
        let mut to = OutBuffer::around(&mut self.block[..]);
        let wanted = self.context.run(&mut from, &mut to)?;
        let (taken, given) = (from.pos(), to.pos());
        input.advance(taken);
        output.extend_from_slice(&self.block[..given]);
        self.whole = wanted == 0;
        self.more = !self.whole && given == self.block.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    fn encode(encoding: Encoding, data: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Plain => data.to_vec(),
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => zstd::bulk::compress(data, 1).unwrap(),
        }
    }

    /// Decodes what comes in pieces of `piece` bytes. No call may hand out much more than `limit`.
    fn decode(encoding: Encoding, encoded: &[u8], piece: usize, limit: usize) -> io::Result<Vec<u8>> {
        let mut decoder = Decoder::new(encoding)?;
        let mut whole = Vec::new();
        for piece in encoded.chunks(piece) {
            let mut input = Bytes::copy_from_slice(piece);
            while !input.is_empty() || decoder.wants_room() {
                let mut output = BytesMut::new();
                decoder.decode(&mut input, &mut output, limit)?;
                assert!(output.len() < limit + BLOCK, "{} bytes at once", output.len());
                whole.extend_from_slice(&output);
            }
        }
        let mut rest = BytesMut::new();
        decoder.finish(&mut rest)?;
        assert!(rest.len() <= BLOCK);
        whole.extend_from_slice(&rest);
        Ok(whole)
    }

    const ALL: [Encoding; 3] = [Encoding::Plain, Encoding::Gzip, Encoding::Zstd];
    const COMPRESSED: [Encoding; 2] = [Encoding::Gzip, Encoding::Zstd];

    #[test]
    fn names() {
        for (name, expected) in [("", Encoding::Plain), ("gzip", Encoding::Gzip), ("zstd", Encoding::Zstd)] {
            assert_eq!(name.parse::<Encoding>().unwrap(), expected);
        }
        assert_eq!(
            "xz".parse::<Encoding>().unwrap_err().to_string(),
            "this agent knows no encoding \"xz\", only \"gzip\", \"zstd\" and none"
        );
    }

    #[test]
    fn a_little_that_stands_for_much_is_handed_out_in_bounded_pieces() {
        let zeros = vec![0; 24 << 20];
        for encoding in COMPRESSED {
            let encoded = encode(encoding, &zeros);
            assert!(encoded.len() < 1 << 20);
            assert_eq!(decode(encoding, &encoded, encoded.len(), 1 << 20).unwrap().len(), zeros.len());
        }
    }

    #[test]
    fn several_frames_are_one_stream() {
        for encoding in ALL {
            let encoded =
                [encode(encoding, b"one "), encode(encoding, b""), encode(encoding, b"two")].concat();
            for piece in [1, 5, 1000] {
                assert_eq!(decode(encoding, &encoded, piece, 1 << 20).unwrap(), b"one two", "{encoding}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_followed_by_something_else_is_an_error() {
        let data: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for encoding in COMPRESSED {
            let encoded = encode(encoding, &data);
            for length in [0, 3, encoded.len() / 2, encoded.len() - 1] {
                assert!(decode(encoding, &encoded[..length], 4096, 1 << 20).is_err(), "{encoding} {length}");
            }
            assert!(decode(encoding, &[&encoded[..], b"more than this"].concat(), 4096, 1 << 20).is_err());
            assert!(decode(encoding, b"this is no such thing at all", 4096, 1 << 20).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            runs in prop::collection::vec((any::<u8>(), 0..3000_usize), 0..50),
            piece in 1..5000_usize,
            limit in 1..300_000_usize,
        ) {
            let data: Vec<u8> = runs.iter().flat_map(|&(byte, length)| std::iter::repeat_n(byte, length)).collect();
            for encoding in ALL {
                prop_assert_eq!(&decode(encoding, &encode(encoding, &data), piece, limit).unwrap(), &data);
            }
        }

        #[test]
        fn a_changed_byte_is_an_error_or_other_bytes(at: prop::sample::Index, byte: u8) {
            let data: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
            for encoding in COMPRESSED {
                let mut encoded = encode(encoding, &data);
                let at = at.index(encoded.len());
                encoded[at] = byte;
                let _ = decode(encoding, &encoded, 512, 1 << 20);
            }
        }
    }
}
