//! What stories begin with: machines, requests and reports, in few words.

use hostler_core::catalogue::{Content as ImageContent, Kind};
use hostler_core::constraint::Grouping;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{BootId, LeaseId, RunId};
use hostler_core::input::{Input, Report};
use hostler_core::lease::Member;
use hostler_core::node::{BmcSpec, Disk, DiskWipe, Node, NodeSpec, NodeState, Sealed, Start};
use hostler_core::record::Check;
use hostler_core::world::{Change, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Every row of the world, as changes.
pub(crate) fn rows(world: &World) -> Vec<Change> {
    let mut rows = vec![Change::Meta(world.meta.clone())];
    rows.extend(world.bmcs.values().cloned().map(Change::Bmc));
    rows.extend(world.nodes.values().cloned().map(Box::new).map(Change::Node));
    rows.extend(world.tenants.values().cloned().map(Change::Tenant));
    rows.extend(world.images.values().cloned().map(Change::Image));
    rows.extend(world.pools.values().cloned().map(Change::Pool));
    rows.extend(world.leases.values().cloned().map(Box::new).map(Change::Lease));
    rows.extend(world.runs.values().cloned().map(Box::new).map(Change::Run));
    rows
}

/// "2 x86_64 in far among n1 n2 with debian + 1..3 any where memory > 1 GiB": a member for each part, with the roles r0,
/// r1 and so on. What is asked of them together is behind semicolons: "2 any; same rack".
pub(crate) fn members(request: &str) -> Vec<Member> {
    let parts = request.split(';').next().unwrap_or_default().split('+').enumerate();
    parts
        .map(|(index, part)| {
            let (part, constraint) = match part.split_once(" where ") {
                Some((part, constraint)) => (part, Some(constraint.parse().expect("a constraint"))),
                None => (part, None),
            };
            let words: Vec<_> = part.split_whitespace().collect();
            let after = |word| words.iter().position(|w| *w == word).map(|i| &words[i + 1..]);
            let ends = |w: &&&str| !["in", "among", "with"].contains(*w);
            Member {
                role: format!("r{index}"),
                count: words[0].split("..").next().unwrap_or_default().parse().expect("a number of machines"),
                at_most: words[0].split_once("..").map(|(_, most)| most.parse().expect("the most")),
                arch: match words[1] {
                    "any" => BTreeSet::new(),
                    words => words.split('|').map(|w| w.parse().expect("an architecture")).collect(),
                },
                pool: after("in").map(|w| w[0].to_owned()),
                nodes: after("among")
                    .map(|w| w.iter().take_while(ends).map(|n| (*n).to_owned()).collect())
                    .unwrap_or_default(),
                image: after("with").map_or("fedora", |w| w[0]).to_owned(),
                constraint,
            }
        })
        .collect()
}

/// What `request` asks of its machines together; see [`members`].
pub(crate) fn groupings(request: &str) -> Vec<Grouping> {
    request.split(';').skip(1).map(|text| text.parse().expect("a grouping")).collect()
}

pub(crate) fn name_of(machine: &str) -> &str {
    machine.split_whitespace().next().unwrap_or_default()
}

/// "name [architecture] [pool]"; its addresses follow from its name.
pub(crate) fn spec(machine: &str) -> NodeSpec {
    let mut words = machine.split_whitespace().peekable();
    let name = words.next().expect("a name");
    let arch = words.peek().and_then(|word| word.parse().ok());
    let pool = if arch.is_some() { words.nth(1) } else { words.next() };
    let arch = arch.unwrap_or(Arch::X86_64);
    let number = name.bytes().fold(0_u16, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let [high, low] = number.to_be_bytes();
    NodeSpec {
        name: name.into(),
        arch,
        firmware: Firmware::ALL.into_iter().rev().find(|f| f.exists_on(arch)).expect("a firmware"),
        pool: pool.unwrap_or("lab").into(),
        mac: Mac([0x52, 0x54, 0, 0, high, low]),
        address: Ipv4Addr::new(10, 0, high, low),
        serial: Some(format!("S-{name}")),
        uuid: None,
        keep_disks: BTreeSet::new(),
        start: Start::Kexec,
        rack: None,
        switch: None,
        labels: BTreeMap::new(),
    }
}

pub(crate) fn bmc(spec: &NodeSpec) -> BmcSpec {
    BmcSpec {
        address: format!("bmc-{}:623", spec.name),
        user: "hostler".into(),
        password: Sealed("sealed".into()),
        cipher_suite: 17,
        shared: false,
    }
}

pub(crate) fn image(name: &str, arch: Arch, sha256: &str) -> Input {
    Input::AddImage { name: name.into(), arch, content: ImageContent::raw(sha256.into(), 1) }
}

/// With a kernel of a third of its bytes.
pub(crate) fn diskless(name: &str, arch: Arch, sha256: &str, size_bytes: u64) -> Input {
    let kind = Kind::Diskless { kernel_bytes: size_bytes / 3, arguments: "quiet".into() };
    Input::AddImage {
        name: name.into(),
        arch,
        content: ImageContent { sha256: sha256.into(), size_bytes, kind },
    }
}

pub(crate) fn disk(serial: &str, blank: bool) -> Disk {
    let path = format!("/dev/disk/{serial}");
    Disk { path, serial: serial.into(), model: "Spin".into(), size_bytes: 1 << 40, blank, ..Disk::default() }
}

/// Every disk of the node, wiped and read back.
pub(crate) fn wiped(node: &Node) -> Vec<DiskWipe> {
    let disks = node.inventory.iter().flat_map(|i| &i.disks);
    disks
        .map(|d| DiskWipe {
            serial: d.serial.clone(),
            path: d.path.clone(),
            method: "zeros".into(),
            verified: true,
            ..DiskWipe::default()
        })
        .collect()
}

pub(crate) fn hello(incarnation: u32, runs: &[RunId]) -> Report {
    Report::Hello { incarnation, runs: runs.to_vec(), proves: true }
}

/// A boot that is not the present one.
pub(crate) const fn before(boot: BootId) -> BootId {
    BootId(boot.0.saturating_sub(1))
}

pub(crate) const fn is_leased(node: &Node) -> bool {
    matches!(node.state, NodeState::Leased { .. })
}

/// The check of a machine's memory, and what is wrong with that.
pub(crate) fn proved(problem: Option<&str>) -> Check {
    let detail = problem.unwrap_or("256 MiB").to_owned();
    Check { part: "memory".into(), passed: problem.is_none(), detail }
}

/// A machine of a lease is broken, and another is to come.
pub(crate) fn replace(lease: LeaseId, key: &str, node: &str) -> Input {
    let (key, node) = (key.to_owned(), node.to_owned());
    Input::ReplaceMember { lease, key, node, why: "no link".into(), author: "kim".into() }
}
