//! What the waits of a workload come to.

use super::simulate::Outcome;
use super::workload::{Job, MACHINES};
use std::collections::BTreeMap;

const HOUR_MS: f64 = 3_600_000.0;

/// Waits of less than this make no slowdown, in milliseconds.
const BOUND_MS: f64 = 600_000.0;

/// One number for each thing that one may want of a scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Mean wait, in hours.
    pub mean_wait_h: f64,
    /// Nineteen of twenty waited no longer.
    pub p95_wait_h: f64,
    /// Ninety-nine of a hundred waited no longer.
    pub p99_wait_h: f64,
    /// The longest wait.
    pub max_wait_h: f64,
    /// Mean of wait and length by length, where nothing counts as shorter than ten minutes.
    pub bounded_slowdown: f64,
    /// Machine time held by groups that could not start, in percent of all.
    pub idle_held_pct: f64,
    /// Machine time that was used for what it was leased for, in percent of all.
    pub useful_utilisation_pct: f64,
    /// Mean wait of groups of several architectures.
    pub mixed_mean_wait_h: f64,
    /// Jain's index over the mean slowdowns of the users: 1 if all are served alike.
    pub jain_fairness: f64,
    /// Of the starts that were promised, how many came in time, in percent.
    pub promises_kept_pct: f64,
}

impl Metrics {
    /// Of a workload that was let through.
    #[must_use]
    pub fn of(jobs: &[Job], outcome: &Outcome) -> Self {
        let wait = |(job, start): (&Job, &u64)| (start - job.submitted) as f64 / HOUR_MS;
        let pairs = || jobs.iter().zip(&outcome.starts);
        let mut waits: Vec<f64> = pairs().map(wait).collect();
        waits.sort_by(f64::total_cmp);
        let quantile = |part: f64| waits[((part * waits.len() as f64).ceil() as usize).max(1) - 1];
        let slowdowns: Vec<f64> = pairs()
            .map(|(job, start)| {
                let (waited, length) = ((start - job.submitted) as f64, job.length_ms() as f64);
                ((waited + length) / length.max(BOUND_MS)).max(1.0)
            })
            .collect();
        let mixed: Vec<f64> = pairs().filter(|(job, _)| job.is_mixed()).map(wait).collect();
        let all = f64::from(MACHINES.iter().sum::<u32>()) * outcome.span as f64;
        let used: f64 = jobs.iter().map(|job| f64::from(job.hosts()) * job.run_ms as f64).sum();
        Self {
            mean_wait_h: mean(&waits),
            p95_wait_h: quantile(0.95),
            p99_wait_h: quantile(0.99),
            max_wait_h: quantile(1.0),
            bounded_slowdown: mean(&slowdowns),
            idle_held_pct: 100.0 * outcome.held / all,
            useful_utilisation_pct: 100.0 * used / all,
            mixed_mean_wait_h: mean(&mixed),
            jain_fairness: jain(jobs, &slowdowns),
            promises_kept_pct: kept(outcome),
        }
    }

    /// By name, with the unit.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, f64, &'static str); 10] {
        [
            ("mean_wait_h", self.mean_wait_h, "h"),
            ("p95_wait_h", self.p95_wait_h, "h"),
            ("p99_wait_h", self.p99_wait_h, "h"),
            ("max_wait_h", self.max_wait_h, "h"),
            ("bounded_slowdown", self.bounded_slowdown, "times"),
            ("idle_held_pct", self.idle_held_pct, "%"),
            ("useful_utilisation_pct", self.useful_utilisation_pct, "%"),
            ("mixed_mean_wait_h", self.mixed_mean_wait_h, "h"),
            ("jain_fairness", self.jain_fairness, ""),
            ("promises_kept_pct", self.promises_kept_pct, "%"),
        ]
    }
}

/// The mean; 0 of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn jain(jobs: &[Job], slowdowns: &[f64]) -> f64 {
    let mut by_user: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (job, slowdown) in jobs.iter().zip(slowdowns) {
        by_user.entry(job.user).or_default().push(*slowdown);
    }
    let means: Vec<f64> = by_user.values().map(|values| mean(values)).collect();
    let sum: f64 = means.iter().sum();
    let squares: f64 = means.iter().map(|m| m * m).sum();
    sum * sum / (means.len() as f64 * squares)
}

/// Where nothing was promised, nothing was broken.
fn kept(outcome: &Outcome) -> f64 {
    let promised =
        outcome.promises.iter().zip(&outcome.starts).filter_map(|(p, start)| Some((*p)? >= *start));
    let (mut kept, mut all) = (0.0, 0.0);
    for in_time in promised {
        kept += f64::from(u8::from(in_time));
        all += 1.0;
    }
    if all > 0.0 { 100.0 * kept / all } else { 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_say() {
        let job = |user, need| Job { submitted: 0, user, need, run_ms: 3_000_000, limit_ms: 3_000_000 };
        let jobs = [job(1, [1, 0, 0]), job(1, [1, 1, 0]), job(2, [1, 0, 0])];
        let outcome = Outcome {
            starts: vec![0, 3_600_000, 7_200_000],
            promises: vec![None, Some(3_600_000), Some(7_199_999)],
            held: 128.0 * 360_000.0,
            span: 3_600_000,
            ..Outcome::default()
        };
        let metrics = Metrics::of(&jobs, &outcome);
        assert_eq!((metrics.mean_wait_h, metrics.p95_wait_h, metrics.max_wait_h), (1.0, 2.0, 2.0));
        assert_eq!((metrics.bounded_slowdown, metrics.mixed_mean_wait_h), (2.0, 1.0));
        assert_eq!((metrics.idle_held_pct, metrics.promises_kept_pct), (10.0, 50.0));
        // Slowdowns of 1.5 and 3 in the mean.
        assert!((metrics.jain_fairness - 0.9).abs() < 1e-9, "{}", metrics.jain_fairness);
    }
}
