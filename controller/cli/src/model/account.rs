//! Where the time of leases went, and what that adds up to.

use super::lease::{CloseReason, Interruption, State};
use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::lease::v1 as pb;
use serde::Serialize;
use std::collections::BTreeMap;

/// A span of time, in Unix milliseconds; its end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Period {
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
}

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeaseAccount {
    pub(crate) id: u32,
    pub(crate) tenant: String,
    pub(crate) purpose: Option<String>,
    pub(crate) state: State,
    pub(crate) close_reason: Option<CloseReason>,
    /// Architecture to the number of machines that it has or had.
    pub(crate) machines: BTreeMap<String, u32>,
    pub(crate) wanted_machines: u32,
    /// What was asked for.
    pub(crate) duration_ms: u64,
    /// Since when it could have started.
    pub(crate) waits_from_ms: u64,
    pub(crate) assigned_ms: Option<u64>,
    pub(crate) active_ms: Option<u64>,
    pub(crate) held_ms: Option<u64>,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) closed_ms: Option<u64>,
    /// When it gave way to others before that, the oldest first.
    pub(crate) interruptions: Vec<Interruption>,
    /// The machines that it has or had for a part of its time only.
    pub(crate) part_time: Vec<PartTime>,
}

/// A machine that left an active lease, or came into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PartTime {
    pub(crate) arch: String,
    pub(crate) since_ms: u64,
    /// `None` for one of `machines`, which stays until the end.
    pub(crate) until_ms: Option<u64>,
}

/// Where time goes, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spent {
    pub(crate) queue_ms: u64,
    pub(crate) install_ms: u64,
    pub(crate) use_ms: u64,
    pub(crate) hold_ms: u64,
    pub(crate) clean_ms: u64,
}

/// What the leases of one tenant add up to in a period.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TenantAccount {
    pub(crate) tenant: String,
    /// Leases of which some part lies in the period.
    pub(crate) leases: u64,
    /// Those that machines or the controller ended.
    pub(crate) ended_by_infrastructure: u64,
    /// Architecture to hours of machines, from their assignment until they were clean again.
    pub(crate) node_hours: BTreeMap<String, f64>,
    /// Machines times milliseconds; of the queue, where there are none, milliseconds.
    pub(crate) spent: Spent,
    /// How long leases waited that got their machines in the period.
    pub(crate) waits: Waits,
}

/// How long leases waited, in milliseconds; none if none did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Waits {
    pub(crate) mean_ms: Option<u64>,
    pub(crate) p95_ms: Option<u64>,
    pub(crate) max_ms: Option<u64>,
}

const HOUR_MS: f64 = 3_600_000.0;

impl Period {
    fn has(self, moment: u64) -> bool {
        (self.since_ms..self.until_ms).contains(&moment)
    }

    /// How much of the time from one moment to another lies within.
    fn part(self, from: u64, to: u64) -> u64 {
        to.min(self.until_ms).saturating_sub(from.max(self.since_ms))
    }
}

impl LeaseAccount {
    /// How many machines it has or had.
    pub(crate) fn machine_count(&self) -> u64 {
        self.machines.values().map(|count| u64::from(*count)).sum()
    }

    /// How long it waited until its machines were assigned.
    pub(crate) fn waited_ms(&self) -> Option<u64> {
        let had: u64 = self.interruptions.iter().map(|i| i.ended_ms.saturating_sub(i.assigned_ms)).sum();
        self.assigned_ms.map(|assigned| assigned.saturating_sub(self.waits_from_ms).saturating_sub(had))
    }

    /// Where its time went, as far as that lies in the period. What lasts has lasted until `now_ms`.
    pub(crate) fn spent(&self, period: Period, now_ms: u64) -> Spent {
        let mut spent = self.spent_since_interruptions(period, now_ms);
        self.interruptions.iter().for_each(|interruption| spent.add(interruption.spent(period), 1));
        spent
    }

    /// The same without what it had machines for before it gave way.
    fn spent_since_interruptions(&self, period: Period, now_ms: u64) -> Spent {
        let ended = self.ended_ms.unwrap_or(now_ms);
        let held = self.held_ms.unwrap_or(ended);
        let part = |from: Option<u64>, to: u64| from.map_or(0, |from| period.part(from, to));
        let had: u64 = self.interruptions.iter().map(|i| i.spent(period).with_machines_ms()).sum();
        Spent {
            queue_ms: period.part(self.waits_from_ms, self.assigned_ms.unwrap_or(ended)).saturating_sub(had),
            install_ms: part(self.assigned_ms, self.active_ms.unwrap_or(ended)),
            use_ms: part(self.active_ms, held),
            hold_ms: part(self.held_ms, ended),
            clean_ms: part(
                self.ended_ms.filter(|_| self.assigned_ms.is_some()),
                self.closed_ms.unwrap_or(now_ms),
            ),
        }
    }
}

/// The machines but for those that came when the lease was active.
fn full_time(machines: &BTreeMap<String, u32>, part_time: &[PartTime]) -> BTreeMap<String, u32> {
    let mut machines = machines.clone();
    for late in part_time.iter().filter(|machine| machine.until_ms.is_none()) {
        if let Some(count) = machines.get_mut(&late.arch) {
            *count = count.saturating_sub(1);
        }
    }
    machines
}

impl PartTime {
    /// The part of the period in which the lease had it.
    fn part_of(&self, period: Period) -> Period {
        Period {
            since_ms: period.since_ms.max(self.since_ms),
            until_ms: self.until_ms.map_or(period.until_ms, |until| until.min(period.until_ms)),
        }
    }
}

impl Interruption {
    /// Where the time went until it gave way, as far as that lies in the period.
    fn spent(&self, period: Period) -> Spent {
        Spent {
            install_ms: period.part(self.assigned_ms, self.active_ms),
            use_ms: period.part(self.active_ms, self.ended_ms),
            ..Spent::default()
        }
    }
}

impl Spent {
    /// While it has machines.
    pub(crate) const fn with_machines_ms(self) -> u64 {
        self.install_ms + self.use_ms + self.hold_ms + self.clean_ms
    }

    fn add(&mut self, other: Self, machines: u64) {
        self.queue_ms += other.queue_ms;
        self.install_ms += other.install_ms * machines;
        self.use_ms += other.use_ms * machines;
        self.hold_ms += other.hold_ms * machines;
        self.clean_ms += other.clean_ms * machines;
    }
}

/// What the leases of each tenant add up to, by name.
pub(crate) fn by_tenant(leases: &[LeaseAccount], period: Period, now_ms: u64) -> Vec<TenantAccount> {
    let mut tenants = BTreeMap::<&str, (TenantAccount, Vec<u64>)>::new();
    for lease in leases {
        let (sum, waits) = tenants.entry(&lease.tenant).or_default();
        sum.tenant.clone_from(&lease.tenant);
        sum.leases += 1;
        let ended_here = lease.ended_ms.is_some_and(|at| period.has(at));
        sum.ended_by_infrastructure +=
            u64::from(ended_here && lease.close_reason == Some(CloseReason::Infrastructure));
        let since = |period| lease.spent_since_interruptions(period, now_ms);
        sum.add_group(&lease.machines, &lease.part_time, period, since);
        for interruption in &lease.interruptions {
            let until = |period| interruption.spent(period);
            sum.add_group(&interruption.machines, &interruption.part_time, period, until);
        }
        waits.extend(lease.waited_ms().filter(|_| lease.assigned_ms.is_some_and(|at| period.has(at))));
    }
    tenants.into_values().map(|(sum, waits)| TenantAccount { waits: Waits::of(waits), ..sum }).collect()
}

impl TenantAccount {
    /// Adds what a group was used for, each machine for as long as it was had.
    fn add_group(
        &mut self,
        machines: &BTreeMap<String, u32>,
        part_time: &[PartTime],
        period: Period,
        spent: impl Fn(Period) -> Spent,
    ) {
        self.add(&full_time(machines, part_time), spent(period));
        for machine in part_time {
            let spent = Spent { queue_ms: 0, ..spent(machine.part_of(period)) };
            self.add(&[(machine.arch.clone(), 1)].into(), spent);
        }
    }

    /// Adds what machines were used for.
    fn add(&mut self, machines: &BTreeMap<String, u32>, spent: Spent) {
        self.spent.add(spent, machines.values().map(|count| u64::from(*count)).sum());
        for (arch, count) in machines {
            *self.node_hours.entry(arch.clone()).or_default() +=
                hours(spent.with_machines_ms()) * f64::from(*count);
        }
    }
}

impl Waits {
    fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let count = waits.len() as u64;
        let mean_ms = waits.iter().sum::<u64>().checked_div(count);
        // The nearest rank: the smallest that 95 of 100 do not exceed.
        let rank = (count * 95).div_ceil(100).max(1) - 1;
        let p95_ms = usize::try_from(rank).ok().and_then(|rank| waits.get(rank)).copied();
        Self { mean_ms, p95_ms, max_ms: waits.last().copied() }
    }
}

/// Milliseconds as hours.
pub(crate) fn hours(ms: u64) -> f64 {
    ms as f64 / HOUR_MS
}

impl From<pb::LeaseAccount> for LeaseAccount {
    fn from(account: pb::LeaseAccount) -> Self {
        let (state, close_reason) =
            (State::parse(account.state()), CloseReason::from_wire(account.close_reason));
        let times = account.times.unwrap_or_default();
        Self {
            id: account.id,
            tenant: clean(&account.tenant),
            purpose: optional(&account.purpose),
            state,
            close_reason,
            machines: account.machines.iter().map(|(arch, count)| (clean(arch), *count)).collect(),
            wanted_machines: account.wanted_machines,
            duration_ms: account.duration_ms,
            waits_from_ms: times.waits_from_ms,
            assigned_ms: time(times.assigned_ms),
            active_ms: time(times.active_ms),
            held_ms: time(times.held_ms),
            ended_ms: time(times.ended_ms),
            closed_ms: time(times.closed_ms),
            interruptions: all(account.interruptions),
            part_time: all(account.part_time),
        }
    }
}

impl From<pb::PartTime> for PartTime {
    fn from(machine: pb::PartTime) -> Self {
        let until_ms = time(machine.until_ms);
        Self { arch: clean(&machine.arch), since_ms: machine.since_ms, until_ms }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    pub(crate) const T: u64 = 1_774_087_953_000;

    /// Ten minutes in the queue, five of installation, an hour of use, ten of cleaning.
    pub(crate) fn account(id: u32, tenant: &str) -> LeaseAccount {
        LeaseAccount {
            id,
            tenant: tenant.to_owned(),
            purpose: None,
            state: State::Closed,
            close_reason: Some(CloseReason::Released),
            machines: [("x86_64".to_owned(), 2), ("aarch64".to_owned(), 1)].into(),
            wanted_machines: 3,
            duration_ms: 120 * MINUTE,
            waits_from_ms: T,
            assigned_ms: Some(T + 10 * MINUTE),
            active_ms: Some(T + 15 * MINUTE),
            held_ms: None,
            ended_ms: Some(T + 75 * MINUTE),
            closed_ms: Some(T + 85 * MINUTE),
            interruptions: Vec::new(),
            part_time: Vec::new(),
        }
    }

    pub(crate) const ALL: Period = Period { since_ms: 0, until_ms: u64::MAX };

    fn spent(minutes: [u64; 5]) -> Spent {
        let [queue_ms, install_ms, use_ms, hold_ms, clean_ms] = minutes.map(|minutes| minutes * MINUTE);
        Spent { queue_ms, install_ms, use_ms, hold_ms, clean_ms }
    }

    #[test]
    fn every_minute_is_counted_once() {
        let closed = account(1, "ci");
        assert_eq!(closed.spent(ALL, T + 999 * MINUTE), spent([10, 5, 60, 0, 10]));
        let held = LeaseAccount { held_ms: Some(T + 45 * MINUTE), ..closed.clone() };
        assert_eq!(held.spent(ALL, T + 999 * MINUTE), spent([10, 5, 30, 30, 10]));
        let active = LeaseAccount { ended_ms: None, closed_ms: None, ..closed.clone() };
        assert_eq!(active.spent(ALL, T + 20 * MINUTE), spent([10, 5, 5, 0, 0]));
        let waited = LeaseAccount { assigned_ms: None, active_ms: None, ..closed.clone() };
        assert_eq!(waited.spent(ALL, T + 999 * MINUTE), spent([75, 0, 0, 0, 0]));
        // Two minutes in the queue, one of installation and three of use, and then in the queue again.
        let interruption = Interruption {
            to_lease_id: 9,
            assigned_ms: T + 2 * MINUTE,
            active_ms: T + 3 * MINUTE,
            ended_ms: T + 6 * MINUTE,
            machines: [("x86_64".to_owned(), 2)].into(),
            part_time: Vec::new(),
        };
        // One of its two machines came when another had been given back for a minute.
        let part = |since: u64, until: Option<u64>| PartTime {
            arch: "x86_64".to_owned(),
            since_ms: T + since * MINUTE,
            until_ms: until.map(|until| T + until * MINUTE),
        };
        let replaced =
            Interruption { part_time: vec![part(2, Some(4)), part(5, None)], ..interruption.clone() };
        let replaced = LeaseAccount { interruptions: vec![replaced], ..closed.clone() };
        let sums = by_tenant(&[replaced], ALL, T + 999 * MINUTE);
        assert_eq!(sums[0].spent, spent([6, 17, 185, 0, 30]), "a minute of one machine less");
        let interrupted = LeaseAccount { interruptions: vec![interruption], ..closed.clone() };
        assert_eq!(interrupted.spent(ALL, T + 999 * MINUTE), spent([6, 6, 63, 0, 10]));
        assert_eq!(interrupted.waited_ms(), Some(6 * MINUTE));
        let sums = by_tenant(&[interrupted], ALL, T + 999 * MINUTE);
        assert_eq!(sums[0].spent, spent([6, 17, 186, 0, 30]), "each with the machines that it had then");
        let failed = LeaseAccount { active_ms: None, ..closed };
        assert_eq!(failed.spent(ALL, T + 999 * MINUTE), spent([10, 65, 0, 0, 10]));
    }

    #[test]
    fn a_machine_that_was_replaced_is_counted_for_the_time_that_it_was_had() {
        // After 25 minutes one of the two was given back; its substitute of another architecture came 10 minutes later.
        let machine = |arch: &str, since: u64, until: Option<u64>| PartTime {
            arch: arch.to_owned(),
            since_ms: T + since * MINUTE,
            until_ms: until.map(|until| T + until * MINUTE),
        };
        let part_time = vec![machine("x86_64", 10, Some(25)), machine("aarch64", 35, None)];
        let machines = [("x86_64".to_owned(), 1), ("aarch64".to_owned(), 1)].into();
        let replaced = LeaseAccount { machines, part_time, ..account(1, "ci") };
        let sums = by_tenant(&[replaced], ALL, T + 999 * MINUTE);
        // 75 minutes of the one that stayed, 15 of the one that left, 50 of the one that came.
        assert_eq!(
            sums[0].node_hours,
            [("aarch64".to_owned(), 50.0 / 60.0), ("x86_64".to_owned(), 1.5)].into()
        );
        assert_eq!(sums[0].spent, spent([10, 10, 110, 0, 20]));
    }

    #[test]
    fn only_what_lies_in_the_period_is_counted() {
        let period = Period { since_ms: T + 12 * MINUTE, until_ms: T + 25 * MINUTE };
        assert_eq!(account(1, "ci").spent(period, T), spent([0, 3, 10, 0, 0]));
        let sums = by_tenant(&[account(1, "ci")], period, T);
        assert_eq!(sums[0].waits, Waits::default(), "it was assigned before");
    }

    #[test]
    fn tenants_add_up() {
        let failed = LeaseAccount { close_reason: Some(CloseReason::Infrastructure), ..account(2, "ci") };
        let sums = by_tenant(&[account(3, "kernel"), failed, account(1, "ci")], ALL, T);
        let [ci, kernel] = &sums[..] else { panic!("two tenants: {sums:?}") };
        assert_eq!((ci.tenant.as_str(), ci.leases, ci.ended_by_infrastructure), ("ci", 2, 1));
        assert_eq!(ci.node_hours, [("aarch64".to_owned(), 2.5), ("x86_64".to_owned(), 5.0)].into());
        assert_eq!(ci.spent, spent([20, 30, 360, 0, 60]));
        assert_eq!((kernel.leases, kernel.spent.use_ms), (1, 180 * MINUTE));
    }

    #[test]
    fn waits_are_those_of_the_nearest_rank() {
        assert_eq!(Waits::of(Vec::new()), Waits::default());
        let hundred = Waits::of((1..=100).rev().collect());
        assert_eq!(hundred, Waits { mean_ms: Some(50), p95_ms: Some(95), max_ms: Some(100) });
        assert_eq!(Waits::of(vec![7]).p95_ms, Some(7));
    }
}
