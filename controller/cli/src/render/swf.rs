//! Leases in the Standard Workload Format, version 2.2 (Parallel Workloads Archive), as schedulers are simulated with.

use crate::model::account::LeaseAccount;
use crate::model::lease::CloseReason;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// What is not known, or makes no sense here.
const UNKNOWN: i64 = -1;

/// The whole file: a header, then a line of 18 fields for each lease that has ended, the first submitted first.
/// `machines` is how many there are, if that is known.
pub(crate) fn file(leases: &[LeaseAccount], machines: Option<usize>) -> String {
    let mut ended: Vec<_> = leases.iter().filter(|lease| lease.ended_ms.is_some()).collect();
    ended.sort_by_key(|lease| (lease.waits_from_ms, lease.id));
    let start = ended.first().map_or(0, |lease| lease.waits_from_ms / 1000);
    let (users, partitions) = (
        numbered(ended.iter().map(|l| l.tenant.as_str())),
        numbered(ended.iter().filter_map(|l| only_arch(l))),
    );
    let mut text = header(&ended, start, machines, &users, &partitions);
    for (index, lease) in ended.iter().enumerate() {
        let user = users.get(lease.tenant.as_str()).copied().unwrap_or(UNKNOWN);
        let partition = only_arch(lease).and_then(|arch| partitions.get(arch)).copied().unwrap_or(UNKNOWN);
        let fields = fields(lease, index + 1, start, user, partition);
        let line: Vec<_> = fields.iter().map(ToString::to_string).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.join(" "));
    }
    text
}

fn header(
    leases: &[&LeaseAccount],
    start: u64,
    machines: Option<usize>,
    users: &BTreeMap<&str, i64>,
    partitions: &BTreeMap<&str, i64>,
) -> String {
    let end = leases.iter().filter_map(|lease| lease.ended_ms).max().map_or(start, |ms| ms / 1000);
    let longest = leases.iter().map(|lease| lease.duration_ms / 1000).max().unwrap_or(0);
    let preempted = leases.iter().any(|lease| !lease.interruptions.is_empty());
    let mut lines = vec![
        "Version: 2.2".to_owned(),
        "Computer: machines leased by Hostler".to_owned(),
        format!("Conversion: hostler {}", env!("CARGO_PKG_VERSION")),
        format!("MaxJobs: {}", leases.len()),
        format!("MaxRecords: {}", leases.len()),
        format!("Preemption: {}", if preempted { "Yes" } else { "No" }),
        format!("UnixStartTime: {start}"),
        "TimeZoneString: Etc/UTC".to_owned(),
        format!("StartTime: {}", date(start)),
        format!("EndTime: {}", date(end)),
    ];
    lines.extend(machines.map(|count| format!("MaxNodes: {count}")));
    lines.extend(machines.map(|count| format!("MaxProcs: {count}")));
    lines.push(format!("MaxRuntime: {longest}"));
    lines.push("AllowOveruse: No".to_owned());
    lines.push(format!("MaxPartitions: {}", partitions.len()));
    lines.extend(partitions.iter().map(|(arch, number)| format!("Partition: {number} {arch}")));
    lines.push(
        "Note: a job is a lease and a processor is a machine; wait time includes the installation".to_owned(),
    );
    lines.push("Note: jobs with machines of several architectures have the partition -1".to_owned());
    lines.extend(users.iter().map(|(tenant, number)| format!("Note: user {number} is the tenant {tenant}")));
    lines.into_iter().map(|line| format!("; {line}\n")).collect()
}

/// The 18 fields, in seconds where they are times.
fn fields(lease: &LeaseAccount, number: usize, start: u64, user: i64, partition: i64) -> [i64; 18] {
    let seconds = |ms: u64| i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let ended = lease.ended_ms.unwrap_or(lease.waits_from_ms);
    let submit = seconds(lease.waits_from_ms) - i64::try_from(start).unwrap_or(i64::MAX);
    let began = lease.active_ms.unwrap_or(ended);
    let wait = seconds(began.saturating_sub(lease.waits_from_ms));
    let run = lease.active_ms.map_or(0, |active| seconds(ended.saturating_sub(active)));
    let allocated = i64::try_from(lease.machine_count()).unwrap_or(i64::MAX);
    [
        i64::try_from(number).unwrap_or(i64::MAX),        // 1: job number
        submit,                                           // 2: submit time
        wait,                                             // 3: wait time
        run,                                              // 4: run time
        if allocated == 0 { UNKNOWN } else { allocated }, // 5: allocated processors
        UNKNOWN,                                          // 6: average CPU time used
        UNKNOWN,                                          // 7: used memory
        i64::from(lease.wanted_machines),                 // 8: requested processors
        seconds(lease.duration_ms),                       // 9: requested time
        UNKNOWN,                                          // 10: requested memory
        status(lease),                                    // 11: status
        user,                                             // 12: user
        user,                                             // 13: group
        UNKNOWN,                                          // 14: executable
        UNKNOWN,                                          // 15: queue
        partition,                                        // 16: partition
        UNKNOWN,                                          // 17: preceding job
        UNKNOWN,                                          // 18: think time
    ]
}

/// 1 for a job that ran to its end, 0 for one that failed, 5 for one that was cancelled.
const fn status(lease: &LeaseAccount) -> i64 {
    match lease.close_reason {
        Some(CloseReason::Infrastructure | CloseReason::Image) => 0,
        Some(CloseReason::Released | CloseReason::Expired) if lease.active_ms.is_some() => 1,
        _ => 5,
    }
}

/// The architecture of its machines, if they have the same.
fn only_arch(lease: &LeaseAccount) -> Option<&str> {
    let mut arches = lease.machines.keys();
    arches.next().filter(|_| arches.next().is_none()).map(String::as_str)
}

/// Natural numbers, in the order of the names.
fn numbered<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, i64> {
    let names: std::collections::BTreeSet<_> = names.collect();
    names.into_iter().zip(1..).collect()
}

/// As `date` writes it: "Sat Mar 21 10:12:33 UTC 2026".
fn date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // The end of the year 9999, the last that RFC 3339 can write.
    let seconds = seconds.min(253_402_300_799);
    let stamp = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let day = usize::try_from(seconds / 86_400 % 7).unwrap_or_default();
    let month = stamp[5..7].parse::<usize>().unwrap_or(1);
    format!("{} {} {} {} UTC {}", DAYS[day], MONTHS[month - 1], &stamp[8..10], &stamp[11..19], &stamp[..4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::account::tests::{T, account};

    #[test]
    fn a_whole_file() {
        let later = LeaseAccount {
            waits_from_ms: T + 60_000,
            machines: [("x86_64".to_owned(), 1)].into(),
            close_reason: Some(CloseReason::Infrastructure),
            ..account(1, "kernel")
        };
        let cancelled = LeaseAccount {
            machines: [].into(),
            assigned_ms: None,
            active_ms: None,
            close_reason: Some(CloseReason::WaitedTooLong),
            waits_from_ms: T + 120_000,
            ..account(3, "ci")
        };
        let goes_on = LeaseAccount { ended_ms: None, closed_ms: None, ..account(4, "ci") };
        insta::assert_snapshot!(file(&[goes_on, cancelled, later, account(2, "ci")], Some(12)), @r"
        ; Version: 2.2
        ; Computer: machines leased by Hostler
        ; Conversion: hostler 0.1.0
        ; MaxJobs: 3
        ; MaxRecords: 3
        ; Preemption: No
        ; UnixStartTime: 1774087953
        ; TimeZoneString: Etc/UTC
        ; StartTime: Sat Mar 21 10:12:33 UTC 2026
        ; EndTime: Sat Mar 21 11:27:33 UTC 2026
        ; MaxNodes: 12
        ; MaxProcs: 12
        ; MaxRuntime: 7200
        ; AllowOveruse: No
        ; MaxPartitions: 1
        ; Partition: 1 x86_64
        ; Note: a job is a lease and a processor is a machine; wait time includes the installation
        ; Note: jobs with machines of several architectures have the partition -1
        ; Note: user 1 is the tenant ci
        ; Note: user 2 is the tenant kernel
        1 0 900 3600 3 -1 -1 3 7200 -1 1 1 1 -1 -1 -1 -1 -1
        2 60 840 3600 1 -1 -1 3 7200 -1 0 2 2 -1 -1 1 -1 -1
        3 120 4380 0 -1 -1 -1 3 7200 -1 5 1 1 -1 -1 -1 -1 -1
        ");
    }

    #[test]
    fn nothing_is_a_file_as_well() {
        let text = file(&[], None);
        assert!(text.contains("; MaxJobs: 0\n") && text.lines().all(|line| line.starts_with("; ")), "{text}");
    }
}
