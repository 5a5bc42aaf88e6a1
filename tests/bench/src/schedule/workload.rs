//! What is asked of the scheduler: a recorded workload in the shape of a CI laboratory, or a made-up one.

use anyhow::Context as _;
use std::io::Read as _;
use std::path::Path;

/// Machines of each architecture: x86_64, aarch64, ppc64le.
pub const MACHINES: Need = [96, 20, 12];

/// So many machines of each architecture.
pub type Need = [u32; 3];

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// Nobody has machines for longer.
const LONGEST_MS: u64 = 6 * HOUR_MS;

/// What installing a group takes.
pub const INSTALL_MS: u64 = 600 * SECOND_MS;

/// Processors of one machine.
const PROCESSORS: u32 = 8;

/// One lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// When it is asked for, in milliseconds.
    pub submitted: u64,
    /// Who asks.
    pub user: u32,
    /// For what.
    pub need: Need,
    /// How long it is used once it is installed, in milliseconds.
    pub run_ms: u64,
    /// What was asked for, in milliseconds.
    pub limit_ms: u64,
}

impl Job {
    /// How long it has its machines, in milliseconds.
    #[must_use]
    pub const fn length_ms(&self) -> u64 {
        self.run_ms + INSTALL_MS
    }

    /// How long it may have them at most, in milliseconds.
    #[must_use]
    pub const fn bound_ms(&self) -> u64 {
        self.limit_ms + INSTALL_MS
    }

    /// How many machines.
    #[must_use]
    pub fn hosts(&self) -> u32 {
        self.need.iter().sum()
    }

    /// True if it wants more than one architecture.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.need.iter().filter(|count| **count > 0).count() > 1
    }
}

/// What a record says, before it is put into the shape of a laboratory. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    submitted: f64,
    run: f64,
    requested: f64,
    processors: u32,
    user: u32,
}

/// The jobs of a trace in the Standard Workload Format, which may be compressed by gzip, in order of submission.
///
/// # Errors
/// If it cannot be read, or has no job in it.
pub fn trace(path: &Path) -> anyhow::Result<Vec<Job>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(&*bytes).read_to_string(&mut text)
    } else {
        (&*bytes).read_to_string(&mut text)
    }
    .with_context(|| format!("{} is no text", path.display()))?;
    let mut records: Vec<_> = text.lines().filter_map(record).collect();
    anyhow::ensure!(!records.is_empty(), "{} has no record with run time and processors", path.display());
    records.sort_by(|a, b| a.submitted.total_cmp(&b.submitted));
    Ok(records.iter().enumerate().map(|(index, record)| job(index as u64, record)).collect())
}

/// A line of the trace; none for comments and for jobs without a run time or processors.
fn record(line: &str) -> Option<Record> {
    let fields: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let record = Record {
        submitted: *fields.get(1)?,
        run: *fields.get(3)?,
        requested: *fields.get(8)?,
        processors: *fields.get(4)? as u32,
        user: *fields.get(11)? as u32,
    };
    (record.run > 0.0 && record.processors > 0).then_some(record)
}

/// A made-up workload of the same shape: users who come back every day, a few sizes and lengths each, and who ask for
/// much more time than they need.
#[must_use]
pub fn generated(jobs: usize, seed: u64) -> Vec<Job> {
    let mut random = Random(seed);
    let mut submitted = 0.0;
    let mut records = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        let hour = submitted / 3600.0 % 24.0;
        let busy = if (8.0..20.0).contains(&hour) { 2.0 } else { 0.5 };
        submitted += -random.unit().ln() * 600.0 / busy;
        // The square makes some users ask much more often than others.
        let user = (random.unit() * random.unit() * 120.0) as u32;
        let mut habits = Random((u64::from(user) << 3) | (random.next() % 3));
        let requested = [900.0, 3_600.0, 14_400.0, 64_800.0][(habits.next() % 4) as usize];
        let usual = requested * 0.03 * (1.0 / habits.unit()).min(30.0);
        let processors = 1 << (habits.next() % 8);
        let run = (usual * (0.3 + 1.4 * random.unit())).clamp(10.0, requested);
        records.push(Record { submitted, run, requested, processors, user });
    }
    records.iter().enumerate().map(|(index, record)| job(index as u64, record)).collect()
}

/// A record in the shape of a laboratory.
fn job(index: u64, record: &Record) -> Job {
    let seconds = |s: f64| ((s.max(0.0) * SECOND_MS as f64) as u64).min(LONGEST_MS);
    let run_ms = seconds(record.run);
    let u = (split_mix(7919 * index + 13) % 1_000_000) as f64 / 1_000_000.0;
    Job {
        submitted: (record.submitted * SECOND_MS as f64) as u64,
        user: record.user,
        need: need(u, record.processors.div_ceil(PROCESSORS)),
        run_ms,
        limit_ms: seconds(if record.requested > 0.0 { record.requested } else { f64::MAX }).max(run_ms),
    }
}

/// Seven of ten want x86_64, one of ten wants several architectures.
fn need(u: f64, hosts: u32) -> Need {
    let [x86, arm, power] = MACHINES;
    let n = hosts.min(x86);
    let quarter = (n / 4).max(1);
    match u {
        ..0.70 => [n, 0, 0],
        ..0.82 => [0, n.min(arm), 0],
        ..0.90 => [0, 0, n.min(power)],
        ..=0.95 => [n, quarter, 0],
        _ => [n, quarter, quarter],
    }
}

/// Moves the submissions together or apart, so that the busiest architecture is offered `load` of what it can do.
#[must_use]
pub fn at_load(jobs: &[Job], load: f64) -> Vec<Job> {
    let first = jobs.iter().map(|job| job.submitted).min().unwrap_or(0);
    let last = jobs.iter().map(|job| job.submitted).max().unwrap_or(0);
    let busiest = (0..MACHINES.len()).map(|class| {
        let work: f64 = jobs.iter().map(|j| f64::from(j.need[class]) * j.length_ms() as f64).sum();
        work / f64::from(MACHINES[class])
    });
    let scale = busiest.fold(0.0, f64::max) / ((last - first).max(1) as f64 * load);
    let moved = |job: &Job| ((job.submitted - first) as f64 * scale) as u64;
    jobs.iter().map(|job| Job { submitted: moved(job), ..job.clone() }).collect()
}

/// Everybody asks for the longest time there is.
#[must_use]
pub fn flat(jobs: &[Job]) -> Vec<Job> {
    jobs.iter().map(|job| Job { limit_ms: LONGEST_MS, ..job.clone() }).collect()
}

/// The same workload, shaken as Tsafrir and Feitelson do it (Instability in Parallel Job Scheduling Simulation, 2006):
/// each lease comes up to an hour later. How much is offered stays the same; whoever met on the way meets others.
#[must_use]
pub fn perturbed(jobs: &[Job], seed: u64) -> Vec<Job> {
    let mut random = Random(seed);
    let later = |job: &Job| Job { submitted: job.submitted + random.next() % HOUR_MS, ..job.clone() };
    let mut shaken: Vec<_> = jobs.iter().map(later).collect();
    shaken.sort_by_key(|job| job.submitted);
    shaken
}

/// One step of SplitMix64 (Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014).
const fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A generator that gives the same numbers everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub const fn next(&mut self) -> u64 {
        let value = split_mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        value
    }

    /// More than nothing, and at most one.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_lease() {
        let line =
            "   13   567314  15757   8071    9   7334    -1    8  64800    -1  1 150   6 13592  4 -1 -1 -1";
        let record = record(line).unwrap();
        assert_eq!(
            (record.submitted, record.run, record.processors, record.user),
            (567_314.0, 8071.0, 9, 150)
        );
        let job = job(0, &record);
        assert_eq!((job.run_ms, job.limit_ms, job.hosts()), (8_071_000, LONGEST_MS, 2));
        assert_eq!(super::record("; MaxProcs: 128"), None);
        assert_eq!(super::record("19 580157 20861 -1 -1 -1 -1 38 6900 -1 5 189 75 18288 5 -1 -1 -1"), None);
    }

    #[test]
    fn groups_are_capped_at_what_there_is() {
        assert_eq!(need(0.5, 16), [16, 0, 0]);
        assert_eq!(need(0.75, 16), [0, 16, 0]);
        assert_eq!(need(0.85, 16), [0, 0, 12]);
        assert_eq!(need(0.93, 3), [3, 1, 0]);
        assert_eq!(need(0.97, 16), [16, 4, 4]);
    }

    #[test]
    fn the_busiest_architecture_has_the_load() {
        let jobs = at_load(&generated(2_000, 1), 0.85);
        let span = jobs.last().unwrap().submitted as f64;
        let load = |class: usize| {
            let work: f64 = jobs.iter().map(|j| f64::from(j.need[class]) * j.length_ms() as f64).sum();
            work / (span * f64::from(MACHINES[class]))
        };
        let most = (0..3).map(load).fold(0.0, f64::max);
        assert!((most - 0.85).abs() < 0.001, "{most}");
    }

    #[test]
    fn shaken_workloads_have_the_same_leases() {
        let jobs = generated(500, 1);
        let shaken = perturbed(&jobs, 2);
        let sum = |jobs: &[Job]| jobs.iter().map(|j| j.run_ms * u64::from(j.hosts())).sum::<u64>();
        assert_eq!(sum(&jobs), sum(&shaken));
        assert_ne!(jobs, shaken);
        assert!(shaken.is_sorted_by_key(|j| j.submitted));
    }
}
