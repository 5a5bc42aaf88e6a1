//! How clients and agents find the controller that leads.

/// Addresses of controllers, one of which is asked.
#[derive(Clone, Debug)]
pub struct Rotation<A> {
    known: Vec<A>,
    now: usize,
    /// Attempts since one was answered by a leader.
    turns: usize,
}

/// What to do after an attempt that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Ask at once: it is another one now, which was not asked in this round.
    AtOnce,
    /// Ask after a pause.
    Later,
}

impl<A: Clone + PartialEq> Rotation<A> {
    /// Begins with `first`.
    pub fn new(first: A, others: impl IntoIterator<Item = A>) -> Self {
        let mut rotation = Self { known: vec![first], now: 0, turns: 0 };
        rotation.learn(others);
        rotation
    }

    /// The one that is asked now.
    pub fn now(&self) -> &A {
        &self.known[self.now]
    }

    /// All but the one that is asked now.
    pub fn others(&self) -> impl Iterator<Item = &A> {
        self.known.iter().filter(|address| *address != self.now())
    }

    /// These are the others, as the leader says.
    pub fn learn(&mut self, others: impl IntoIterator<Item = A>) {
        let mut known = vec![self.now().clone()];
        for other in others {
            if !known.contains(&other) {
                known.push(other);
            }
        }
        (self.known, self.now) = (known, 0);
    }

    /// The leader answered.
    pub const fn heard(&mut self) {
        self.turns = 0;
    }

    /// One that does not lead answered, and named the leader if it knows it.
    pub fn sent_on(&mut self, leader: Option<A>) -> Turn {
        let before = self.now;
        if let Some(leader) = leader {
            self.now = self.known.iter().position(|known| *known == leader).unwrap_or_else(|| {
                self.known.push(leader);
                self.known.len() - 1
            });
        }
        self.turn(before)
    }

    /// No answer, or none of use.
    pub fn lost(&mut self) -> Turn {
        let before = self.now;
        self.now = (self.now + 1) % self.known.len();
        self.turn(before)
    }

    /// In the midst of a change of leaders two may name each other: a round has as many turns as there are controllers.
    fn turn(&mut self, before: usize) -> Turn {
        self.turns += 1;
        if self.now == before || self.turns.is_multiple_of(self.known.len()) {
            Turn::Later
        } else {
            Turn::AtOnce
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came of an attempt.
    enum Came {
        Nothing,
        SentOn(Option<char>),
    }

    /// What happens, what is done, and who is asked then.
    #[test]
    fn the_leader_is_found() {
        use Came::{Nothing, SentOn};
        use Turn::{AtOnce, Later};
        let to = |leader| SentOn(Some(leader));
        let cases = [
            ("the only one is gone", "a", vec![(Nothing, Later, 'a')]),
            ("another one is asked at once", "ab", vec![(Nothing, AtOnce, 'b')]),
            (
                "both are gone",
                "ab",
                vec![(Nothing, AtOnce, 'b'), (Nothing, Later, 'a'), (Nothing, AtOnce, 'b')],
            ),
            ("the leader is named", "abc", vec![(to('c'), AtOnce, 'c')]),
            ("one that was not known", "a", vec![(to('c'), AtOnce, 'c')]),
            ("nobody leads", "ab", vec![(SentOn(None), Later, 'a')]),
            ("it names itself", "ab", vec![(to('a'), Later, 'a')]),
            ("they name each other", "ab", vec![(to('b'), AtOnce, 'b'), (to('a'), Later, 'a')]),
        ];
        for (case, known, turns) in cases {
            let mut known = known.chars();
            let mut rotation = Rotation::new(known.next().unwrap(), known);
            for (came, turn, now) in turns {
                let found = match came {
                    Nothing => rotation.lost(),
                    SentOn(leader) => rotation.sent_on(leader),
                };
                assert_eq!((found, *rotation.now()), (turn, now), "{case}");
            }
        }
    }

    #[test]
    fn what_the_leader_says_of_the_others_counts() {
        let mut rotation = Rotation::new('a', ['b', 'a', 'c']);
        assert_eq!(rotation.others().collect::<Vec<_>>(), [&'b', &'c']);
        rotation.lost();
        rotation.heard();
        rotation.learn(['d', 'b']);
        assert_eq!((rotation.now(), rotation.others().collect::<Vec<_>>()), (&'b', vec![&'d']));
    }
}
