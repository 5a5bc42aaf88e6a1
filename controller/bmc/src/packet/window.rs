//! Which sequence numbers were seen.

/// How far back a packet may be overtaken by others (section 6.12.13 wants at least eight).
const WINDOW: u32 = 32;

/// Accepts each sequence number of one direction of a session at most once, and none that is far behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    highest: u32,
    /// Bit n stands for `highest - n`.
    seen: u32,
}

impl Window {
    /// True if `sequence` is new. Zero never is: it belongs to no session.
    pub fn accept(&mut self, sequence: u32) -> bool {
        if sequence == 0 {
            return false;
        }
        if let Some(ahead @ 1..) = sequence.checked_sub(self.highest) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let behind = self.highest - sequence;
        if behind >= WINDOW || self.seen & 1 << behind != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{WINDOW, Window};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_number_counts_once() {
        let mut window = Window::default();
        let verdicts: Vec<_> = [1, 1, 3, 2, 2, 40, 9, 8, 40, 0].map(|s| window.accept(s)).into();
        assert_eq!(verdicts, [true, false, true, true, false, true, true, false, false, false]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(sequences in prop::collection::vec(0_u32..200, 0..300)) {
            let (mut window, mut seen) = (Window::default(), BTreeSet::new());
            for sequence in sequences {
                let highest = seen.last().copied().unwrap_or(0);
                let fresh = sequence > 0 && !seen.contains(&sequence) && sequence + WINDOW > highest;
                prop_assert_eq!(window.accept(sequence), fresh);
                if fresh {
                    seen.insert(sequence);
                }
            }
        }

        #[test]
        fn never_overflows(sequences in prop::collection::vec(any::<u32>(), 0..100)) {
            let mut window = Window::default();
            for sequence in sequences {
                window.accept(sequence);
            }
        }
    }
}
