//! Leases for people.

use super::look::{Look, Tone};
use super::phases;
use super::table::{Table, or_dash, plain};
use super::time::{age, between, span, stamp};
use crate::model::lease::{Departure, Extension, Lease, LeasedNode, Member, Phase, Replacement, State};
use std::fmt::Write as _;
use std::time::Duration;

/// One line for each lease.
pub(crate) fn list(leases: &[Lease], now_ms: u64, look: &Look) -> String {
    let mut table =
        Table::new(look, &["ID", "STATE", "TENANT", "PRIORITY", "MEMBERS", "AGE", "STARTS", "ENDS", "WHY"])
            .one_line();
    for lease in leases {
        table.row([
            plain(lease.id),
            (lease.state.as_str().to_owned(), tone(lease.state)),
            plain(&lease.tenant),
            plain(&lease.priority),
            plain(members(&lease.members)),
            or_dash(lease.requested_ms.map(|at| age(now_ms, at))),
            or_dash(expected(lease, now_ms)),
            or_dash(remaining(lease, now_ms)),
            or_dash(why(lease)),
        ]);
    }
    table.render()
}

/// Everything about one lease.
pub(crate) fn show(lease: &Lease, now_ms: u64, with_phases: bool, look: &Look) -> String {
    let mut text = format!("{}\n", headline(lease, now_ms, look));
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<10} {value}");
        }
    };
    fact("tenant", Some(lease.tenant.clone()));
    fact("purpose", lease.purpose.clone());
    fact("priority", Some(lease.priority.clone()));
    fact("members", Some(members(&lease.members)));
    for grouping in &lease.together {
        fact("together", Some(grouping.clone()));
    }
    let seconds = |seconds: Option<u64>| seconds.map(|s| span(Duration::from_secs(s)));
    fact("for", seconds(lease.duration_s));
    fact("requested", lease.requested_ms.map(stamp));
    let most = lease.max_wait_s.filter(|_| lease.state == State::Queued);
    fact("waits", seconds(most).map(|most| format!("for {most} at most")));
    fact("expected", lease.expected_start_ms.map(|at| format!("{}, for all that is known now", stamp(at))));
    fact("goes first", lease.goes_first_ms.map(|from| goes_first(from, now_ms)));
    fact("latest", lease.latest_start_ms.map(|at| format!("{}, unless machines are lost", stamp(at))));
    fact("active", lease.active_ms.map(stamp));
    fact("expires", lease.expires_ms.map(stamp));
    fact("closed", lease.closed_ms.map(stamp));
    fact("not before", lease.not_before_ms.map(stamp));
    fact("reservation", lease.reservation.clone());
    fact(
        "keepalive",
        seconds(lease.keepalive_s).map(|bound| format!("ends when not kept alive for {bound}")),
    );
    fact(if lease.interruptions.is_empty() { "gives way" } else { "gave way" }, preemption(lease));
    for departure in &lease.departures {
        fact("left", Some(left(departure)));
    }
    fact("on failure", seconds(lease.hold_s).map(|bound| format!("held for {bound}")));
    if !lease.nodes.is_empty() {
        text.push('\n');
        text += &nodes(&lease.nodes, look);
    }
    let course = course(lease);
    if !course.is_empty() {
        let _ = write!(text, "\n{}", phases::chart(&course, now_ms, look));
    }
    for node in lease.nodes.iter().filter(|node| with_phases && !node.phases.is_empty()) {
        let _ = write!(
            text,
            "\n{}\n{}",
            look.paint(Tone::Strong, &node.name),
            phases::chart(&node.phases, now_ms, look)
        );
    }
    text
}

/// "now, since 2026-03-21 10:12:33Z".
fn goes_first(from_ms: u64, now_ms: u64) -> String {
    let from = stamp(from_ms);
    if from_ms <= now_ms {
        format!("now, since {from}")
    } else {
        format!("from {from}, before all that came later")
    }
}

/// "r1-n02 (web) at 2026-03-21 10:12:33Z, r1-n05 took its place: given back as broken by ci".
fn left(departure: &Departure) -> String {
    let place = match &departure.successor {
        Some(successor) => format!("{successor} took its place"),
        None => "its place is empty".to_owned(),
    };
    let Departure { node, role, until_ms, why, .. } = departure;
    format!("{node} ({role}) at {}, {place}: {why}", stamp(*until_ms))
}

/// Whether it gives way to others, and when it did.
fn preemption(lease: &Lease) -> Option<String> {
    let grace = span(Duration::from_secs(lease.grace_s?));
    let told = lease.gives_way_ms.zip(lease.gives_way_to);
    let told = told.map(|(at, to)| format!("gives way to lease {to} at {}", stamp(at)));
    let past = lease.interruptions.iter().map(|interruption| {
        let used = Duration::from_millis(interruption.ended_ms.saturating_sub(interruption.active_ms));
        format!("gave way to lease {} after {}", interruption.to_lease_id, span(used))
    });
    let parts: Vec<_> = std::iter::once(format!("with {grace} notice")).chain(past).chain(told).collect();
    Some(parts.join("; "))
}

/// Where the time of a lease went since it last gave way. Empty while it is queued.
fn course(lease: &Lease) -> Vec<Phase> {
    let again = lease.interruptions.last().map(|interruption| interruption.ended_ms);
    let begins = again.or(lease.not_before_ms.max(lease.requested_ms));
    let moments = [
        ("queue", begins),
        ("install", lease.assigned_ms),
        ("use", lease.active_ms),
        ("hold", lease.held_ms),
        ("clean", lease.ended_ms.filter(|_| lease.assigned_ms.is_some())),
    ];
    let begun: Vec<_> = moments.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
    if begun.len() < 2 {
        return Vec::new();
    }
    let phase = |(index, (name, start_ms)): (usize, &(&str, u64))| {
        let end_ms = begun.get(index + 1).map(|(_, next)| *next).or(lease.closed_ms);
        Phase { phase: (*name).to_owned(), start_ms: *start_ms, end_ms }
    };
    begun.iter().enumerate().map(phase).collect()
}

/// "lease 7 lasts until 2026-03-21 10:12:33Z, 30m 00s longer".
pub(crate) fn extension(id: u32, extension: &Extension) -> String {
    let longer = span(Duration::from_millis(extension.granted_ms));
    format!("lease {id} lasts until {}, {longer} longer\n", stamp(extension.until_ms))
}

/// "r1-n05 takes the place of r1-n02 in lease 7".
pub(crate) fn replacement(id: u32, node: &str, replacement: &Replacement) -> String {
    format!("{} takes the place of {node} in lease {id}\n", replacement.substitute)
}

/// The host keys of the deployed systems, as `ssh -o UserKnownHostsFile=` reads them.
pub(crate) fn known_hosts(lease: &Lease) -> String {
    let line = |node: &LeasedNode, key: &String| format!("{},{} {key}\n", node.name, node.address);
    lease.nodes.iter().flat_map(|node| node.ssh_host_keys.iter().map(move |key| line(node, key))).collect()
}

/// The lease in one line: "lease 7 deploying: writing images".
pub(crate) fn headline(lease: &Lease, now_ms: u64, look: &Look) -> String {
    let mut line = format!("lease {} {}", lease.id, look.paint(tone(lease.state), lease.state.as_str()));
    if let Some(position) = lease.queue_position {
        let _ = write!(line, ", number {position} by arrival");
    }
    if let Some(expected) = expected(lease, now_ms) {
        let _ = write!(line, ", starts probably in {expected}");
    }
    if let Some(latest) = lease.latest_start_ms {
        let _ = write!(line, ", at the latest in {}", between(now_ms, latest));
    }
    if let Some(left) = remaining(lease, now_ms) {
        let _ = write!(line, ", ends in {left}");
    }
    if let Some(why) = why(lease) {
        let _ = write!(line, ": {why}");
    }
    line
}

/// What a terminal shows while a lease is waited for.
pub(crate) fn progress(lease: &Lease, now_ms: u64, look: &Look) -> Vec<String> {
    let mut head = headline(lease, now_ms, look);
    if let Some(since) = lease.requested_ms {
        let _ = write!(head, " ({})", between(since, now_ms));
    }
    let width = |text: fn(&LeasedNode) -> &String| {
        lease.nodes.iter().map(|n| text(n).chars().count()).max().unwrap_or(0)
    };
    let (name_width, role_width) = (width(|n| &n.name), width(|n| &n.role));
    let node = |node: &LeasedNode| {
        let (mark, tone) = if node.up { ("✔", Tone::Good) } else { ("●", Tone::Busy) };
        let status = if node.up { "up" } else { &node.status };
        format!("  {} {:name_width$}  {:role_width$}  {status}", look.paint(tone, mark), node.name, node.role)
    };
    std::iter::once(head).chain(lease.nodes.iter().map(node)).collect()
}

/// What changed from `before` to `after`, one line for each change, where nothing can be redrawn.
pub(crate) fn changes(before: Option<&Lease>, after: &Lease, now_ms: u64) -> Vec<String> {
    let look = Look::default();
    let mut lines = Vec::new();
    let head = |lease: &Lease| (lease.state, lease.reason.clone(), lease.queue_position);
    if before.map(head) != Some(head(after)) {
        lines.push(headline(after, now_ms, &look));
    }
    for node in &after.nodes {
        let known = before.and_then(|lease| lease.nodes.iter().find(|known| known.name == node.name));
        if known.is_none_or(|known| (known.up, &known.status) != (node.up, &node.status)) {
            let status = if node.up { "up" } else { &node.status };
            lines.push(format!("{} ({}): {status}", node.name, node.role));
        }
    }
    lines
}

/// "server=2:x86_64,image=fedora client=1:aarch64", as it could be asked for again in a shell.
pub(crate) fn members(members: &[Member]) -> String {
    members.iter().map(|m| quoted(&member(m))).collect::<Vec<_>>().join(" ")
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "=:,.+-_".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// "server=1..4:x86_64|aarch64,image=fedora where cpu.cores >= 16".
pub(crate) fn member(member: &Member) -> String {
    let mut text = if member.role == "node" { String::new() } else { format!("{}=", member.role) };
    text += &member.count.to_string();
    if let Some(most) = member.at_most {
        // Writing to a string cannot fail.
        let _ = write!(text, "..{most}");
    }
    for (before, value) in [(":", &member.arch), (",pool=", &member.pool), (",image=", &member.image)] {
        if let Some(value) = value {
            text.push_str(before);
            text.push_str(value);
        }
    }
    if !member.nodes.is_empty() {
        text.push_str(",nodes=");
        text.push_str(&member.nodes.join("+"));
    }
    if let Some(constraint) = &member.constraint {
        text.push_str(" where ");
        text.push_str(constraint);
    }
    text
}

fn nodes(nodes: &[LeasedNode], look: &Look) -> String {
    let mut table = Table::new(look, &["NODE", "ROLE", "ARCH", "ADDRESS", "IMAGE", "UP", "STATUS"]);
    for node in nodes {
        let up = if node.up { ("yes".to_owned(), Tone::Good) } else { ("no".to_owned(), Tone::Warn) };
        table.row([
            plain(&node.name),
            plain(&node.role),
            plain(&node.arch),
            plain(&node.address),
            plain(&node.image),
            up,
            plain(&node.status),
        ]);
    }
    table.render()
}

/// The time until the lease will probably start.
fn expected(lease: &Lease, now_ms: u64) -> Option<String> {
    lease.expected_start_ms.map(|at| between(now_ms, at))
}

/// The time until the lease ends by itself.
fn remaining(lease: &Lease, now_ms: u64) -> Option<String> {
    let is_open = matches!(lease.state, State::Active | State::Deploying);
    lease.expires_ms.filter(|_| is_open).map(|at| between(now_ms, at))
}

fn why(lease: &Lease) -> Option<String> {
    let close = lease.close_reason.map(|reason| reason.as_str().to_owned());
    match (close, &lease.reason) {
        (Some(close), Some(reason)) => Some(format!("{close}: {reason}")),
        (close, reason) => close.or_else(|| reason.clone()),
    }
}

fn tone(state: State) -> Tone {
    match state {
        State::Active => Tone::Good,
        State::Queued | State::Closing => Tone::Warn,
        State::Deploying => Tone::Busy,
        State::Closed | State::Unknown => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lease::{CloseReason, Interruption};

    const T: u64 = 1_774_087_953_000;

    fn node(name: &str, role: &str, up: bool, status: &str) -> LeasedNode {
        LeasedNode {
            name: name.to_owned(),
            role: role.to_owned(),
            arch: "x86_64".to_owned(),
            address: "127.16.0.1".to_owned(),
            image: "fedora".to_owned(),
            up,
            status: status.to_owned(),
            phases: vec![Phase { phase: "power".to_owned(), start_ms: T, end_ms: Some(T + 2_000) }],
            ssh_host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
        }
    }

    fn deploying() -> Lease {
        let member = |role: &str, count, arch: &str| Member {
            role: role.to_owned(),
            count,
            at_most: None,
            arch: Some(arch.to_owned()),
            pool: None,
            image: Some("fedora".to_owned()),
            nodes: Vec::new(),
            constraint: None,
        };
        Lease {
            id: 7,
            tenant: "ci".to_owned(),
            state: State::Deploying,
            reason: Some("1 of 2 nodes is up".to_owned()),
            purpose: Some("nightly".to_owned()),
            priority: "batch".to_owned(),
            grace_s: None,
            gives_way_ms: None,
            gives_way_to: None,
            reservation: None,
            interruptions: Vec::new(),
            departures: Vec::new(),
            queue_position: None,
            members: vec![member("server", 1, "x86_64"), member("client", 1, "aarch64")],
            together: Vec::new(),
            nodes: vec![
                node("r1-n01", "server", true, "agent connected"),
                node("r1-n12", "client", false, "writing image"),
            ],
            requested_ms: Some(T),
            expected_start_ms: None,
            latest_start_ms: None,
            goes_first_ms: None,
            active_ms: None,
            expires_ms: None,
            closed_ms: None,
            close_reason: None,
            duration_s: Some(3_600),
            max_wait_s: Some(7 * 86_400),
            not_before_ms: None,
            keepalive_s: None,
            hold_s: None,
            assigned_ms: None,
            held_ms: None,
            ended_ms: None,
        }
    }

    fn active() -> Lease {
        let mut lease = deploying();
        lease.nodes[1].up = true;
        Lease {
            state: State::Active,
            reason: None,
            assigned_ms: Some(T),
            active_ms: Some(T),
            expires_ms: Some(T + 3_600_000),
            ..lease
        }
    }

    fn queued() -> Lease {
        Lease {
            id: 8,
            state: State::Queued,
            reason: Some("waits for an aarch64 node".to_owned()),
            queue_position: Some(2),
            nodes: Vec::new(),
            expected_start_ms: Some(T + 3_600_000),
            latest_start_ms: Some(T + 72 * 3_600_000),
            goes_first_ms: Some(T + 24 * 3_600_000),
            ..deploying()
        }
    }

    #[test]
    fn listed() {
        let closed = Lease {
            id: 3,
            state: State::Closed,
            close_reason: Some(CloseReason::Released),
            reason: None,
            ..deploying()
        };
        insta::assert_snapshot!(list(&[queued(), active(), closed], T + 90_000, &Look::default()), @r"
        ID  STATE   TENANT  PRIORITY  MEMBERS                                                     AGE  STARTS   ENDS     WHY
        8   queued  ci      batch     server=1:x86_64,image=fedora client=1:aarch64,image=fedora  1m   58m 30s  -        waits for an aarch64 node
        7   active  ci      batch     server=1:x86_64,image=fedora client=1:aarch64,image=fedora  1m   -        58m 30s  -
        3   closed  ci      batch     server=1:x86_64,image=fedora client=1:aarch64,image=fedora  1m   -        -        was released
        ");
        insta::assert_snapshot!(show(&queued(), T + 90_000, false, &Look::default()), @r"
        lease 8 queued, number 2 by arrival, starts probably in 58m 30s, at the latest in 2d 23h: waits for an aarch64 node
          tenant     ci
          purpose    nightly
          priority   batch
          members    server=1:x86_64,image=fedora client=1:aarch64,image=fedora
          for        1h 00m
          requested  2026-03-21 10:12:33Z
          waits      for 7d 00h at most
          expected   2026-03-21 11:12:33Z, for all that is known now
          goes first from 2026-03-22 10:12:33Z, before all that came later
          latest     2026-03-24 10:12:33Z, unless machines are lost
        ");
    }

    #[test]
    fn who_waits_for_long_goes_first() {
        let mut old = queued();
        old.goes_first_ms = Some(T);
        let text = show(&old, T + 1, false, &Look::default());
        assert!(text.contains("\n  goes first now, since 2026-03-21 10:12:33Z\n"), "{text}");
    }

    #[test]
    fn shown() {
        insta::assert_snapshot!(show(&active(), T + 60_000, true, &Look::default()), @r"
        lease 7 active, ends in 59m 00s
          tenant     ci
          purpose    nightly
          priority   batch
          members    server=1:x86_64,image=fedora client=1:aarch64,image=fedora
          for        1h 00m
          requested  2026-03-21 10:12:33Z
          active     2026-03-21 10:12:33Z
          expires    2026-03-21 11:12:33Z

        NODE    ROLE    ARCH    ADDRESS     IMAGE   UP   STATUS
        r1-n01  server  x86_64  127.16.0.1  fedora  yes  agent connected
        r1-n12  client  x86_64  127.16.0.1  fedora  yes  writing image

          queue    █                                         0.0s
          install  █                                         0.0s
          use      ████████████████████████████████████████  1m 00s so far

        r1-n01
          power  ████████████████████████████████████████  2.0s

        r1-n12
          power  ████████████████████████████████████████  2.0s
        ");
    }

    #[test]
    fn the_time_of_a_lease_is_drawn() {
        let lease = Lease {
            state: State::Closed,
            assigned_ms: Some(T + 600_000),
            active_ms: Some(T + 900_000),
            held_ms: Some(T + 4_500_000),
            ended_ms: Some(T + 5_400_000),
            closed_ms: Some(T + 6_000_000),
            ..deploying()
        };
        insta::assert_snapshot!(phases::chart(&course(&lease), T + 9_000_000, &Look::default()), @r"
        queue    ████                                      10m 00s
        install      ██                                    5m 00s
        use            ████████████████████████            1h 00m
        hold                                   ██████      15m 00s
        clean                                        ████  10m 00s
        ");
        assert_eq!(course(&Lease { assigned_ms: None, ..deploying() }), []);
        let never_had_machines = Lease { ended_ms: Some(T + 1), assigned_ms: None, ..deploying() };
        assert_eq!(course(&never_had_machines), []);
    }

    #[test]
    fn who_gives_way_is_told_when_and_to_whom() {
        let interruption = Interruption {
            to_lease_id: 9,
            assigned_ms: T,
            active_ms: T + 300_000,
            ended_ms: T + 3_900_000,
            machines: std::iter::once(("x86_64".to_owned(), 2)).collect(),
            part_time: Vec::new(),
        };
        let kind = Lease { grace_s: Some(300), ..active() };
        let told = Lease { gives_way_ms: Some(T + 300_000), gives_way_to: Some(12), ..kind.clone() };
        let again = Lease { interruptions: vec![interruption], ..told.clone() };
        let shown = [active(), kind, told, again].map(|lease| preemption(&lease).unwrap_or_default());
        insta::assert_snapshot!(shown.join("\n"), @r"
        with 5m 00s notice
        with 5m 00s notice; gives way to lease 12 at 2026-03-21 10:17:33Z
        with 5m 00s notice; gave way to lease 9 after 1h 00m; gives way to lease 12 at 2026-03-21 10:17:33Z
        ");
    }

    #[test]
    fn an_extension_says_the_new_end() {
        let more = Extension { until_ms: T + 1_800_000, granted_ms: 1_800_000, note: None, lease: None };
        assert_eq!(extension(7, &more), "lease 7 lasts until 2026-03-21 10:42:33Z, 30m 00s longer\n");
    }

    #[test]
    fn what_was_asked_for_is_shown_as_it_is_written() {
        let without = Lease { nodes: Vec::new(), assigned_ms: None, active_ms: None, ..active() };
        let mut lease = Lease { together: vec!["same rack".to_owned()], ..without };
        lease.members.truncate(1);
        lease.members[0].at_most = Some(4);
        lease.members[0].arch = Some("x86_64|aarch64".to_owned());
        lease.members[0].constraint = Some("cpu.model-name ~ \"it's\"".to_owned());
        insta::assert_snapshot!(show(&lease, T, false, &Look::default()), @r#"
        lease 7 active, ends in 1h 00m
          tenant     ci
          purpose    nightly
          priority   batch
          members    'server=1..4:x86_64|aarch64,image=fedora where cpu.model-name ~ "it'\''s"'
          together   same rack
          for        1h 00m
          requested  2026-03-21 10:12:33Z
          expires    2026-03-21 11:12:33Z
        "#);
    }

    #[test]
    fn known_hosts_name_both_host_and_address() {
        insta::assert_snapshot!(known_hosts(&active()), @r"
        r1-n01,127.16.0.1 ssh-ed25519 AAAA
        r1-n12,127.16.0.1 ssh-ed25519 AAAA
        ");
    }

    #[test]
    fn drawn_while_waiting() {
        insta::assert_snapshot!(progress(&deploying(), T + 42_000, &Look::default()).join("\n"), @r"
        lease 7 deploying: 1 of 2 nodes is up (42s)
          ✔ r1-n01  server  up
          ● r1-n12  client  writing image
        ");
    }

    #[test]
    fn told_by_changes() {
        let (before, after) = (deploying(), active());
        insta::assert_snapshot!(changes(None, &before, T).join("\n"), @r"
        lease 7 deploying: 1 of 2 nodes is up
        r1-n01 (server): up
        r1-n12 (client): writing image
        ");
        insta::assert_snapshot!(changes(Some(&before), &after, T).join("\n"), @r"
        lease 7 active, ends in 1h 00m
        r1-n12 (client): up
        ");
        assert!(changes(Some(&after), &after, T + 1_000).is_empty());
    }
}
