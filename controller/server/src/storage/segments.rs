//! How a byte log lies in objects that cannot grow: as segments, each named by the bytes that it holds.
//!
//! A segment never changes, and its name says what is in it, so that two controllers which both take themselves for the
//! leader cannot spoil each other's work. Segments may overlap: small ones are joined into a larger one before they are
//! removed, and a reader takes whichever reaches furthest.

/// A segment of this size stays as it is.
pub(super) const FULL: u64 = 8 << 20;

/// More segments that are not full than this are joined.
const SCATTERED: usize = 64;

/// The bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Segment {
    pub(super) fn name(self) -> String {
        format!("{}-{}", self.start, self.end)
    }

    fn parse(name: &str) -> Option<Self> {
        let (start, end) = name.split_once('-')?;
        let segment = Self { start: start.parse().ok()?, end: end.parse().ok()? };
        (segment.start < segment.end).then_some(segment)
    }

    const fn length(self) -> u64 {
        self.end - self.start
    }
}

/// All segments of a log, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segments(Vec<Segment>);

impl Segments {
    /// Of the names in a listing. What is no segment is left alone.
    pub(super) fn named(names: &[String]) -> Self {
        let mut segments: Vec<_> = names.iter().filter_map(|name| Segment::parse(name)).collect();
        segments.sort_unstable();
        Self(segments)
    }

    /// The segment that holds the byte at `offset` and reaches furthest.
    pub(super) fn holding(&self, offset: u64) -> Option<Segment> {
        let begun = self.0.iter().take_while(|segment| segment.start <= offset);
        begun.filter(|segment| segment.end > offset).max_by_key(|segment| segment.end).copied()
    }

    /// How many bytes there are from the beginning on without a gap.
    pub(super) fn end(&self) -> u64 {
        self.chain().last().map_or(0, |segment| segment.end)
    }

    pub(super) fn add(&mut self, segment: Segment) {
        if let Err(place) = self.0.binary_search(&segment) {
            self.0.insert(place, segment);
        }
    }

    /// Takes out all whose bytes are in `whole` as well, which stays.
    pub(super) fn take_covered(&mut self, whole: Segment) -> Vec<Segment> {
        let covered = |segment: &mut Segment| {
            *segment != whole && segment.start >= whole.start && segment.end <= whole.end
        };
        self.0.extract_if(.., covered).collect()
    }

    /// Takes out all whose bytes are in a larger one of those that are read.
    pub(super) fn take_superfluous(&mut self) -> Vec<Segment> {
        let read: Vec<_> = self.chain().collect();
        read.into_iter().flat_map(|whole| self.take_covered(whole)).collect()
    }

    /// True if there are too many small ones.
    pub(super) fn are_scattered(&self) -> bool {
        self.chain().filter(|segment| segment.length() < FULL).count() > SCATTERED
    }

    /// What to join: neighbours that are not full, as many as make a full one.
    pub(super) fn joins(&self) -> Vec<Segment> {
        let mut joins = Vec::new();
        let mut group: Option<(Segment, usize)> = None;
        for segment in self.chain() {
            if segment.length() >= FULL {
                joins.extend(group.take());
                continue;
            }
            let (whole, parts) = group.map_or((segment, 1), |(whole, parts)| {
                (Segment { start: whole.start, end: segment.end }, parts + 1)
            });
            group = Some((whole, parts));
            if whole.length() >= FULL {
                joins.extend(group.take());
            }
        }
        joins.extend(group);
        joins.into_iter().filter(|(_, parts)| *parts > 1).map(|(whole, _)| whole).collect()
    }

    /// What somebody reads who reads everything.
    fn chain(&self) -> impl Iterator<Item = Segment> {
        std::iter::successors(self.holding(0), |last| self.holding(last.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segments(names: &[&str]) -> Segments {
        Segments::named(&names.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_reader_takes_what_reaches_furthest() {
        let segments = segments(&["10-20", "0-10", "0-30", "30-31", "40-50", "x", "7", "9-9"]);
        assert_eq!(segments.holding(0), Some(Segment { start: 0, end: 30 }));
        assert_eq!(segments.holding(30), Some(Segment { start: 30, end: 31 }));
        assert_eq!(segments.holding(31), None);
        assert_eq!(segments.end(), 31, "what lies behind a gap does not count");
        assert_eq!(Segments::default().end(), 0);
    }

    #[test]
    fn small_neighbours_are_joined_and_full_ones_left_alone() {
        let full = format!("10-{}", 10 + FULL);
        let end = 10 + FULL;
        let mut segments = segments(&[
            "0-4",
            "4-10",
            &full,
            &format!("{end}-{}", end + 1),
            &format!("{}-{}", end + 1, end + 2),
        ]);
        assert!(!segments.are_scattered());
        let joins = segments.joins();
        assert_eq!(joins, [Segment { start: 0, end: 10 }, Segment { start: end, end: end + 2 }]);
        segments.add(joins[0]);
        assert_eq!(segments.take_covered(joins[0]).len(), 2);
        assert_eq!(segments.joins(), [joins[1]]);
    }

    proptest! {
        /// However a log is cut, and wherever two controllers wrote the same: joining it leaves every byte readable at
        /// each step, and few objects in the end.
        #[test]
        fn joining_loses_nothing(cuts in prop::collection::vec((1..FULL / 2, any::<bool>()), 1..200)) {
            let mut segments = Segments::default();
            let mut end = 0;
            for (length, twice) in cuts {
                segments.add(Segment { start: end, end: end + length });
                if twice {
                    segments.add(Segment { start: end, end: end + length.div_ceil(2) });
                }
                end += length;
            }
            for whole in segments.joins() {
                segments.add(whole);
                segments.take_covered(whole);
                prop_assert_eq!(segments.end(), end);
                prop_assert!(whole.length() < FULL + FULL / 2);
            }
            segments.take_superfluous();
            prop_assert_eq!((segments.joins(), segments.end()), (vec![], end));
            prop_assert!(segments.0.len() as u64 <= end / FULL + 1, "{segments:?}");
        }
    }
}
