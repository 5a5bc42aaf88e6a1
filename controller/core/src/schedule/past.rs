//! How long a tenant's leases took, and what that says of the next one.

use super::power::{exp2, log2};
use serde::{Deserialize, Serialize};

/// Runs that are remembered of each tenant.
const REMEMBERED: usize = 40;

/// Runs that count for the mean; each counts this much less than the one after it.
const RECENT: usize = 20;
const DECAY: f64 = 0.7;

/// Who is not known is expected to use no more of the limit than this.
const USUAL_PART: f64 = 0.6;

/// A quantile of fewer runs than this says nothing.
const ENOUGH: usize = 5;

/// Limits that differ by less than this are alike.
const LIKE_LIMIT_MS: u64 = 15 * 60_000;

/// One lease that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRun {
    /// How long the tenant had its machines, in milliseconds.
    pub ran_ms: u64,
    /// How long it could have had them.
    pub limit_ms: u64,
    /// How many machines it had.
    pub hosts: u32,
}

/// The last leases of a tenant, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Past(Vec<PastRun>);

/// What is known of the length of a lease in advance, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// What it probably takes. Orders the queue; nobody is held to it.
    pub expect_ms: u64,
    /// What it takes at most, in all likelihood. Plans for others are made with it.
    pub guard_ms: u64,
}

/// What leases usually take, whoever has them: a logarithm, rounded to halves. It is what is supposed of those of whom
/// nothing better is known, and not worth looking at everybody anew with each lease that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usual(Option<f64>);

impl Usual {
    /// From the latest lease of each tenant.
    #[must_use]
    pub fn of<'a>(pasts: impl Iterator<Item = &'a Past>) -> Self {
        let latest = pasts.filter_map(|past| past.0.last()).map(log_of);
        let (sum, count) = latest.fold((0.0, 0.0), |(sum, count), log| (sum + log, count + 1.0));
        Self((count > 0.0).then(|| (2.0 * sum / count).round() / 2.0))
    }
}

impl Past {
    /// Remembers one more, and forgets the oldest.
    pub fn add(&mut self, run: PastRun) {
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(run);
    }

    /// What is to be expected of a lease with this limit and size. `quantile` is how sure the upper bound has to be;
    /// `usual` is what leases of everybody take.
    #[must_use]
    pub fn length(&self, limit_ms: u64, hosts: u32, quantile: f64, usual: Usual) -> Length {
        let expect_ms = self.expect(limit_ms, hosts, usual);
        let narrowest = Likeness::ALL.iter().rev();
        let bound = narrowest.copied().find_map(|l| Self::quantile(self.like(l, limit_ms, hosts), quantile));
        let guard_ms = bound.unwrap_or(limit_ms).max(expect_ms).min(limit_ms);
        Length { expect_ms, guard_ms }
    }

    /// The mean of those before it, the recent and the similar before the others, and what is usual before there are
    /// any. The means are of logarithms: one run that hung does not make the next one look long.
    fn expect(&self, limit_ms: u64, hosts: u32, usual: Usual) -> u64 {
        let limit = limit_ms.max(1) as f64;
        let part = log2(limit * USUAL_PART);
        let mut mean = usual.0.map_or(part, |usual| usual.min(part));
        for likeness in Likeness::ALL {
            let similar = self.like(likeness, limit_ms, hosts).rev().take(RECENT);
            let (mut weight, mut weights, mut sum) = (1.0, 0.0, 0.0);
            for run in similar {
                weights += weight;
                sum += weight * log_of(run);
                weight *= DECAY;
            }
            mean = (sum + mean) / (weights + 1.0);
        }
        exp2(mean).clamp(1.0, limit) as u64
    }

    /// Those that are like such a one, the latest last.
    fn like(
        &self,
        likeness: Likeness,
        limit_ms: u64,
        hosts: u32,
    ) -> impl DoubleEndedIterator<Item = &PastRun> {
        let key = likeness.key(limit_ms, hosts);
        self.0.iter().filter(move |run| likeness.key(run.limit_ms, run.hosts) == key)
    }

    fn quantile<'a>(similar: impl Iterator<Item = &'a PastRun>, quantile: f64) -> Option<u64> {
        let mut similar: Vec<_> = similar.map(|run| run.ran_ms).collect();
        if similar.len() < ENOUGH {
            return None;
        }
        similar.sort_unstable();
        let rank = (quantile * similar.len() as f64).ceil() as usize;
        similar.get(rank.clamp(1, similar.len()) - 1).copied()
    }
}

fn log_of(run: &PastRun) -> f64 {
    log2(run.ran_ms.max(1) as f64)
}

/// In which sense leases are alike.
#[derive(Clone, Copy, Debug)]
enum Likeness {
    Tenant,
    AboutTheSame,
    TheSame,
}

impl Likeness {
    /// From the widest sense to the narrowest.
    const ALL: [Self; 3] = [Self::Tenant, Self::AboutTheSame, Self::TheSame];

    /// What leases have in common that are alike.
    const fn key(self, limit_ms: u64, hosts: u32) -> (u64, u32) {
        match self {
            Self::Tenant => (0, 0),
            Self::AboutTheSame => (limit_ms / LIKE_LIMIT_MS, (hosts | 1).ilog2()),
            Self::TheSame => (limit_ms, hosts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn past(runs: &[(u64, u64, u32)]) -> Past {
        let mut past = Past::default();
        for (ran, limit, hosts) in runs {
            past.add(PastRun { ran_ms: ran * MINUTE, limit_ms: limit * MINUTE, hosts: *hosts });
        }
        past
    }

    /// In minutes, where leases usually take ten.
    fn length(past: &Past, limit: u64, hosts: u32) -> (u64, u64) {
        let usual = Usual(Some(log2(10.0 * MINUTE as f64)));
        minutes(past.length(limit * MINUTE, hosts, 0.95, usual))
    }

    fn minutes(length: Length) -> (u64, u64) {
        let rounded = |ms: u64| (ms + MINUTE / 2) / MINUTE;
        (rounded(length.expect_ms), rounded(length.guard_ms))
    }

    #[test]
    fn nobody_knows_a_new_tenant() {
        let nothing = Past::default().length(100 * MINUTE, 1, 0.95, Usual::default());
        assert_eq!(minutes(nothing), (60, 100));
        let others = [past(&[(5, 60, 1)]), past(&[(99, 60, 1), (20, 60, 1)]), Past::default()];
        let usual = Usual::of(others.iter());
        let known = Past::default().length(100 * MINUTE, 1, 0.95, usual);
        assert_eq!(
            minutes(known),
            (9, 100),
            "about the mean of 5 and 20 by their logarithms; what others did is no bound"
        );
    }

    #[test]
    fn a_bound_takes_five_runs_that_are_alike() {
        let four = past(&[(10, 60, 1); 4]);
        assert_eq!(length(&four, 60, 1).1, 60);
        let five = past(&[(10, 60, 1), (12, 60, 1), (10, 60, 1), (10, 60, 1), (10, 60, 1)]);
        assert_eq!(length(&five, 60, 1).1, 12, "the longest of so few");
        assert_eq!(length(&five, 11, 1).1, 11, "never more than the limit");
        // Those of another size say something as long as there are not enough of this one.
        assert_eq!(length(&five, 60, 8).1, 12);
        let both = past(&[
            (10, 60, 1),
            (10, 60, 1),
            (40, 60, 8),
            (40, 60, 8),
            (40, 60, 8),
            (40, 60, 8),
            (40, 60, 8),
        ]);
        assert_eq!(length(&both, 60, 8).1, 40);
    }

    #[test]
    fn the_recent_and_the_similar_count_most() {
        let rising = past(&[(2, 60, 1), (2, 60, 1), (2, 60, 1), (30, 60, 1), (30, 60, 1)]);
        let falling = past(&[(30, 60, 1), (30, 60, 1), (2, 60, 1), (2, 60, 1), (2, 60, 1)]);
        assert!(length(&rising, 60, 1).0 > 2 * length(&falling, 60, 1).0);
        let mixed = past(&[(2, 60, 1), (50, 60, 16), (2, 60, 1), (50, 60, 16), (2, 60, 1), (50, 60, 16)]);
        assert!(length(&mixed, 60, 1).0 < 10);
        assert!(length(&mixed, 60, 16).0 > 20);
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut long = past(&[(50, 60, 1); 100]);
        assert_eq!(long.0.len(), REMEMBERED);
        for run in past(&[(1, 60, 1); REMEMBERED]).0 {
            long.add(run);
        }
        assert_eq!(length(&long, 60, 1), (1, 1));
    }
}
