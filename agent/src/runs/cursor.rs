//! How much of one run was sent on this link.

use super::limits::Limits;
use hostler_proto::agent::v1::RunFinished;

/// What is next to be sent of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Started,
    Output { offset: u64, length: u64 },
    File { index: usize, offset: u64, length: u64 },
    Finished,
}

/// A run as far as there is something to send of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) started: bool,
    /// Bytes of output so far.
    pub(crate) length: u64,
    /// Bytes of output that the controller has stored.
    pub(crate) acked: u64,
    /// Once it is over.
    pub(crate) result: Option<&'a RunFinished>,
}

/// Everything before it was handed to this link, in this order: the start, the output, the files, the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    started: bool,
    output: u64,
    file: usize,
    file_offset: u64,
    finished: bool,
}

impl Cursor {
    /// At the beginning of a link everything that is not acknowledged is sent again.
    pub(crate) fn from_acked(acked: u64) -> Self {
        Self { output: acked, ..Self::default() }
    }

    /// The start is to be told once more.
    pub(crate) const fn repeat_start(&mut self) {
        self.started = false;
    }

    /// The next message, unless it has to wait: for the payload, or for an acknowledgement.
    pub(crate) fn next(&self, run: View<'_>, limits: &Limits) -> Option<Next> {
        if run.started && !self.started {
            return Some(Next::Started);
        }
        let offset = self.output.max(run.acked);
        if offset < run.length {
            let room = (run.acked + limits.window).saturating_sub(offset);
            let length = limits.piece.min(run.length - offset).min(room);
            return (length > 0).then_some(Next::Output { offset, length });
        }
        let result = run.result?;
        if let Some(file) = result.files.get(self.file) {
            let length = limits.piece.min(file.size.saturating_sub(self.file_offset));
            return Some(Next::File { index: self.file, offset: self.file_offset, length });
        }
        (!self.finished).then_some(Next::Finished)
    }

    /// `next` was handed to the link.
    pub(crate) fn advance(&mut self, next: Next, run: View<'_>) {
        match next {
            Next::Started => self.started = true,
            Next::Output { offset, length } => self.output = offset + length,
            Next::File { offset, length, .. } => {
                self.file_offset = offset + length;
                let size =
                    run.result.and_then(|result| result.files.get(self.file)).map_or(0, |file| file.size);
                // An empty file is told of by one empty piece.
                if self.file_offset >= size {
                    self.file += 1;
                    self.file_offset = 0;
                }
            }
            Next::Finished => self.finished = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::agent::v1::RunFile;
    use proptest::prelude::*;

    fn result(sizes: &[u64], output_bytes: u64) -> RunFinished {
        let files = sizes.iter().map(|&size| RunFile { size, ..RunFile::default() }).collect();
        RunFinished { files, output_bytes, ..RunFinished::default() }
    }

    proptest! {
        /// Whatever is acknowledged when, and whenever links break: each link carries the unacknowledged output without
        /// a gap, then each file whole, then the end; and never more in flight than the window.
        #[test]
        fn each_link_carries_what_is_missing_in_order(
            length in 0..5_000_u64,
            sizes in prop::collection::vec(0..500_u64, 0..4),
            breaks in prop::collection::vec(0..60_usize, 0..4),
            ack_each in 1..5_usize,
        ) {
            let limits = Limits { window: 700, piece: 90, ..Limits::default() };
            let finished = result(&sizes, length);
            let mut acked = 0;
            for messages in breaks.into_iter().chain([usize::MAX]) {
                let mut cursor = Cursor::from_acked(acked);
                let (mut sent, mut files, mut n) = (acked, vec![0; sizes.len()], 0);
                while n < messages {
                    let run = View { started: true, length, acked, result: Some(&finished) };
                    let Some(next) = cursor.next(run, &limits) else {
                        if acked == sent { break }
                        // Nothing but an acknowledgement can help.
                        prop_assert_eq!(sent, acked + limits.window);
                        acked = sent;
                        continue;
                    };
                    cursor.advance(next, run);
                    n += 1;
                    match next {
                        Next::Started => prop_assert_eq!(n, 1),
                        Next::Output { offset, length: piece } => {
                            prop_assert_eq!(offset, sent);
                            prop_assert!(piece > 0 && piece <= limits.piece);
                            sent += piece;
                            prop_assert!(sent <= length && sent - acked <= limits.window);
                            if n.is_multiple_of(ack_each) { acked = sent; }
                        }
                        Next::File { index, offset, length: piece } => {
                            prop_assert_eq!(sent, length);
                            prop_assert_eq!(files[index], offset);
                            files[index] += piece;
                        }
                        Next::Finished => {
                            prop_assert_eq!(&files, &sizes);
                            prop_assert_eq!(sent, length);
                            acked = sent;
                        }
                    }
                }
                if messages == usize::MAX {
                    prop_assert!(cursor.finished);
                }
            }
        }
    }

    #[test]
    fn an_acknowledgement_beyond_what_was_sent_is_not_sent_again() {
        let run = View { started: false, length: 100, acked: 60, result: None };
        let next = Cursor::default().next(run, &Limits::default());
        assert_eq!(next, Some(Next::Output { offset: 60, length: 40 }));
    }
}
