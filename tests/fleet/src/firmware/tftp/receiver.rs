//! The receiving side of a transfer, without sockets: which block is next, and when to acknowledge.

use super::packet;

/// What to do about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Keep its bytes; send this, if anything.
    Take(Option<Vec<u8>>),
    /// Keep its bytes, send this, and be done.
    Last(Vec<u8>),
    /// It is not the next one. Send this, if anything.
    Skip(Option<Vec<u8>>),
    /// SLOF gives up (error -42) at a block from the future.
    Ahead,
}

/// Counts blocks.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    block_size: usize,
    window: u16,
    /// True for SLOF.
    strict: bool,
    last: u16,
    since_ack: u16,
    /// An acknowledgement that asks for a lost block was sent; one for each gap is enough.
    gap_reported: bool,
}

impl Receiver {
    pub(super) fn new(block_size: usize, window: u16, strict: bool) -> Self {
        Self { block_size, window, strict, last: 0, since_ack: 0, gap_reported: false }
    }

    /// The acknowledgement of what has come so far.
    pub(super) fn ack(&self) -> Vec<u8> {
        packet::ack(self.last)
    }

    /// A block has come. Block numbers start again at 0 after 65,535.
    pub(super) fn block(&mut self, number: u16, length: usize) -> Step {
        // Up to half the numbers are ahead, the others behind.
        let distance = number.wrapping_sub(self.last);
        match distance {
            1 => self.next(length),
            2..0x8000 if self.strict => Step::Ahead,
            // RFC 7440 section 4: a gap is answered with the last block before it.
            2..0x8000 => {
                Step::Skip((!std::mem::replace(&mut self.gap_reported, true)).then(|| self.restart()))
            }
            // A duplicate: our acknowledgement was lost. In lock step it is repeated; within a window, the blocks
            // behind are those that were resent with a lost one.
            _ if self.window == 1 => Step::Skip(Some(self.ack())),
            _ => Step::Skip(None),
        }
    }

    /// A pause: the sender goes on after the last block that came in order.
    pub(super) fn restart(&mut self) -> Vec<u8> {
        self.since_ack = 0;
        self.ack()
    }

    fn next(&mut self, length: usize) -> Step {
        self.last = self.last.wrapping_add(1);
        self.since_ack += 1;
        self.gap_reported = false;
        if length < self.block_size {
            return Step::Last(self.ack());
        }
        Step::Take((self.since_ack >= self.window).then(|| self.restart()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_step_acknowledges_each_block_and_each_duplicate() {
        let mut receiver = Receiver::new(512, 1, false);
        assert_eq!(receiver.block(1, 512), Step::Take(Some(packet::ack(1))));
        assert_eq!(receiver.block(1, 512), Step::Skip(Some(packet::ack(1))));
        assert_eq!(receiver.block(2, 0), Step::Last(packet::ack(2)));
    }

    #[test]
    fn a_window_is_acknowledged_at_its_end_and_a_gap_once() {
        let mut receiver = Receiver::new(512, 4, false);
        for block in 1..=3 {
            assert_eq!(receiver.block(block, 512), Step::Take(None));
        }
        assert_eq!(receiver.block(4, 512), Step::Take(Some(packet::ack(4))));
        assert_eq!(receiver.block(6, 512), Step::Skip(Some(packet::ack(4))));
        assert_eq!(receiver.block(7, 512), Step::Skip(None));
        assert_eq!(receiver.block(5, 512), Step::Take(None));
        assert_eq!(receiver.block(6, 100), Step::Last(packet::ack(6)));
    }

    #[test]
    fn block_numbers_start_again_at_zero() {
        let mut receiver = Receiver::new(8, 1, false);
        for block in 1..=u16::MAX {
            assert_eq!(receiver.block(block, 8), Step::Take(Some(packet::ack(block))));
        }
        assert_eq!(receiver.block(0, 8), Step::Take(Some(packet::ack(0))));
        assert_eq!(receiver.block(1, 3), Step::Last(packet::ack(1)));
    }

    #[test]
    fn slof_gives_up_at_a_block_from_the_future() {
        let mut receiver = Receiver::new(1428, 1, true);
        assert_eq!(receiver.block(2, 1428), Step::Ahead);
    }
}
