//! How far each node's output has been read. Chunks may come twice or overlap after a reconnect.

use bytes::Bytes;

/// The number of bytes that were read from one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offset(u64);

/// What a chunk was worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// These bytes are new and next; empty if all of them were known.
    New(Bytes),
    /// So many bytes are missing before the chunk, which was not taken.
    Gap(u64),
}

impl Offset {
    /// Where to begin at when asking again.
    pub(crate) const fn reached(self) -> u64 {
        self.0
    }

    /// Takes what is new of a chunk whose first byte is at `offset`.
    pub(crate) fn take(&mut self, offset: u64, data: &Bytes) -> Taken {
        let Some(known) = self.0.checked_sub(offset) else {
            return Taken::Gap(offset - self.0);
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
        let new = data.slice(known..);
        self.0 = self.0.saturating_add(new.len() as u64);
        Taken::New(new)
    }

    /// Gives up `bytes` that will not come.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.0 = self.0.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gap_is_not_taken() {
        let mut offset = Offset::default();
        assert_eq!(offset.take(3, &Bytes::from_static(b"abc")), Taken::Gap(3));
        assert_eq!(offset.reached(), 0);
        offset.skip(3);
        assert_eq!(offset.take(3, &Bytes::from_static(b"abc")), Taken::New(Bytes::from_static(b"abc")));
    }

    proptest! {
        /// However a server cuts, repeats and reorders the output, a reader that asks again after each gap gets every
        /// byte once.
        #[test]
        fn every_byte_comes_once(
            output in proptest::collection::vec(any::<u8>(), 0..200),
            chunks in proptest::collection::vec((0usize..220, 0usize..60), 0..60),
        ) {
            let mut offset = Offset::default();
            let mut read = Vec::new();
            let whole = (0, output.len());
            for (from, length) in chunks.into_iter().chain([whole]) {
                let from = from.min(output.len());
                let to = (from + length).min(output.len());
                match offset.take(from as u64, &Bytes::copy_from_slice(&output[from..to])) {
                    Taken::New(new) => read.extend_from_slice(&new),
                    Taken::Gap(missing) => prop_assert_eq!(missing, (from - read.len()) as u64),
                }
                prop_assert_eq!(offset.reached(), read.len() as u64);
            }
            prop_assert_eq!(read, output);
        }
    }
}
