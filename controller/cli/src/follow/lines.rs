//! Cuts a stream of bytes into lines.

/// A line that is longer than this is shown in pieces: what a node writes must not fill our memory.
const LONGEST: usize = 16 << 10;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Adds `data`; each line that is complete now goes to `emit`, without its line feed.
    ///
    /// # Errors
    /// Those of `emit`, which ends it.
    pub(crate) fn push<E>(
        &mut self,
        data: &[u8],
        mut emit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            let (piece, is_complete) = piece.strip_suffix(b"\n").map_or((piece, false), |line| (line, true));
            let mut rest = piece;
            while self.partial.len() + rest.len() > LONGEST {
                let (fits, more) = rest.split_at(LONGEST - self.partial.len());
                self.partial.extend_from_slice(fits);
                self.emit(&mut emit)?;
                rest = more;
            }
            self.partial.extend_from_slice(rest);
            if is_complete {
                self.emit(&mut emit)?;
            }
        }
        Ok(())
    }

    /// The output is over: a last line without a line feed goes to `emit`.
    ///
    /// # Errors
    /// Those of `emit`.
    pub(crate) fn finish<E>(&mut self, mut emit: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.partial.is_empty() { Ok(()) } else { self.emit(&mut emit) }
    }

    fn emit<E>(&mut self, emit: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let line = std::mem::take(&mut self.partial);
        emit(line.strip_suffix(b"\r").unwrap_or(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let (mut cutter, mut all) = (Lines::default(), Vec::new());
        let mut emit = |line: &[u8]| -> Result<(), Infallible> {
            all.push(line.to_vec());
            Ok(())
        };
        for piece in pieces {
            let Ok(()) = cutter.push(piece, &mut emit);
        }
        let Ok(()) = cutter.finish(&mut emit);
        all
    }

    #[test]
    fn partial_lines_wait_for_their_end() {
        let pieces: [&[u8]; 4] = [b"one\ntw", b"o\r\n\n", b"thr", b"ee"];
        assert_eq!(lines(pieces), [b"one".as_slice(), b"two", b"", b"three"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; 3 * LONGEST + 1];
        let lengths: Vec<_> = lines([long.as_slice()]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, LONGEST, 1]);
    }

    proptest! {
        /// Where the network cuts the output does not show in the lines.
        #[test]
        fn lines_do_not_depend_on_the_pieces(output in "[ab\\n]{0,100}", cuts in proptest::collection::vec(0usize..100, 0..8)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(output.len())).chain([0, output.len()]).collect();
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &output.as_bytes()[cut[0]..cut[1]]);
            let expected: Vec<_> = output.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(lines(pieces), expected);
        }
    }
}
