//! Machines that need no time: each power attempt is answered with all that a real boot would have shown.

use futures::future::join_all;
use hostler_core::attempt::{Boot, Purpose, Stage};
use hostler_core::boot::NetworkEvidence;
use hostler_core::ids::{BootId, NodeId};
use hostler_core::input::{Effect, Input, PowerResult, Profile, Report};
use hostler_core::node::{Disk, DiskWipe, Inventory, Node};
use hostler_core::order;
use hostler_core::world::World;
use hostlerd::{Effects, EvidenceSink, Executor};
use std::net::IpAddr;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

/// Inputs between the request for a lease of one machine and the moment at which it is closed: request, deployment,
/// release, preparation. The machine is deployed where it was wiped: no firmware runs for that.
pub const INPUTS_PER_CYCLE: usize = 1 + 4 + 1 + 9;

/// How the evidence of a boot arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// All at once, in order.
    #[default]
    AtOnce,
    /// Each piece when the one before it is stored, as from a machine that waits for answers.
    StepByStep,
}

impl Pace {
    /// As the option `--step-by-step` has it.
    #[must_use]
    pub const fn of(step_by_step: bool) -> Self {
        if step_by_step { Self::StepByStep } else { Self::AtOnce }
    }

    /// For the names of figures.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::AtOnce => "",
            Self::StepByStep => ", step by step",
        }
    }
}

/// In the place of machines.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    pace: Pace,
}

impl Evidence {
    /// Machines of this pace.
    #[must_use]
    pub const fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl Executor for Evidence {
    async fn run(self, mut effects: Effects) {
        let sink = effects.evidence();
        let mut changes = sink.changed_nodes();
        let mut boots = JoinSet::new();
        loop {
            tokio::select! {
                effect = effects.next() => match effect {
                    Some(Effect::Power { node, boot, .. }) => {
                        boots.spawn(show(sink.clone(), node, boot, self.pace));
                    }
                    None => return,
                },
                changed = changes.recv() => {
                    let taken = match changed {
                        Ok(node) => sink.read(|w| taken_over(w, node).into_iter().collect()),
                        Err(RecvError::Lagged(_)) => sink.read(all_taken_over),
                        Err(RecvError::Closed) => return,
                    };
                    for (node, boot) in taken {
                        boots.spawn(show(sink.clone(), node, boot, self.pace));
                    }
                }
                Some(_) = boots.join_next() => {}
            }
        }
    }
}

async fn show(sink: EvidenceSink, node: NodeId, boot: BootId, pace: Pace) {
    let inputs = sink.read(|world| of_boot(world, node, boot)).unwrap_or_default();
    // What is refused shows in the rate: the lease is never active, or never closed.
    match pace {
        Pace::AtOnce => drop(join_all(inputs.into_iter().map(|input| sink.submit(input))).await),
        Pace::StepByStep => {
            for input in inputs {
                let _ = sink.submit(input).await;
            }
        }
    }
}

/// The boot of a machine that a lease was just given where it was wiped: nobody orders power for it.
#[must_use]
pub fn taken_over(world: &World, node: NodeId) -> Option<(NodeId, BootId)> {
    let boot = world.nodes.get(node)?.state.boot()?;
    (boot.taken.is_some() && boot.stage == Stage::Inspect).then_some((node, boot.id))
}

fn all_taken_over(world: &World) -> Vec<(NodeId, BootId)> {
    world.nodes.values().filter_map(|node| taken_over(world, node.id)).collect()
}

/// All that the controller hears of a boot, or of its part that is a lease's; `None` if the boot is over.
#[must_use]
pub fn of_boot(world: &World, node: NodeId, boot: BootId) -> Option<Vec<Input>> {
    let node = world.nodes.get(node)?;
    let boot = node.current(boot)?;
    let mut inputs = if boot.taken.is_some() { Vec::new() } else { until_hello(node, boot) };
    let task = |stage| order::task_id(&Boot { stage, ..boot.clone() });
    let says = |profile, report| Input::Agent { node: node.id, boot: boot.id, profile, report };
    let ramdisk = |report| says(Profile::Ramdisk, report);
    inputs.push(ramdisk(Report::Inspected { task: task(Stage::Inspect), inventory: inventory(node) }));
    match boot.purpose {
        Purpose::Prepare => {
            inputs.push(ramdisk(Report::Wiped { task: task(Stage::Wipe), disks: vec![wipe()] }));
        }
        // The BMC says it all.
        Purpose::Rest => {}
        Purpose::Deploy | Purpose::DeployDiskless => {
            let sha256 = order::image_of(world, node.id)?.content.sha256.clone();
            inputs.push(ramdisk(Report::SignRequest));
            inputs.push(ramdisk(Report::Deployed {
                task: task(Stage::Deploy),
                sha256,
                host_keys: Vec::new(),
            }));
            inputs.push(says(
                Profile::Tenant,
                Report::Hello { incarnation: 1, runs: Vec::new(), proves: true },
            ));
        }
    }
    Some(inputs)
}

/// What is seen until the ramdisk's agent is there.
fn until_hello(node: &Node, boot: &Boot) -> Vec<Input> {
    let mut inputs = firmware(node, boot);
    inputs.push(Input::Enrol {
        boot: boot.id,
        node: node.id,
        mac: node.spec.mac,
        address: IpAddr::V4(node.spec.address),
        key: format!("{:064x}", boot.id.0),
    });
    let report = Report::Hello { incarnation: 0, runs: Vec::new(), proves: true };
    inputs.push(Input::Agent { node: node.id, boot: boot.id, profile: Profile::Ramdisk, report });
    inputs
}

/// What BMC and boot server see until the ramdisk runs.
fn firmware(node: &Node, boot: &Boot) -> Vec<Input> {
    let detail = "power cycle; boot device: network".to_owned();
    let result = PowerResult::Acknowledged { guid: None, detail };
    let mut inputs = vec![Input::Power { node: node.id, boot: boot.id, result }];
    for (evidence, detail) in [
        (NetworkEvidence::Dhcp, "DHCPREQUEST"),
        (NetworkEvidence::Tftp, "loaders/x86_64-uefi.efi"),
        (NetworkEvidence::Script, "boot.ipxe"),
        (NetworkEvidence::Http, "kernels/x86_64"),
    ] {
        inputs.push(Input::Network {
            node: node.id,
            evidence,
            began: boot.ordered,
            detail: detail.to_owned(),
        });
    }
    inputs
}

fn inventory(node: &Node) -> Inventory {
    Inventory {
        serial: node.spec.serial.clone().unwrap_or_default(),
        cpus: 8,
        memory_bytes: 32 << 30,
        disks: vec![Disk {
            path: "/dev/sda".into(),
            serial: "disk".into(),
            size_bytes: 1 << 40,
            blank: true,
            ..Disk::default()
        }],
        ..Inventory::default()
    }
}

fn wipe() -> DiskWipe {
    DiskWipe {
        serial: "disk".into(),
        path: "/dev/sda".into(),
        method: "zeros".into(),
        verified: true,
        ..DiskWipe::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_core::course::Terms;
    use hostler_core::hardware::{Arch, Firmware};
    use hostler_core::ids::LeaseId;
    use hostler_core::input::Reply;
    use hostler_core::lease::{LeaseSpec, Member};
    use hostler_core::node::{BmcSpec, NodeSpec, Sealed, Start, StateName};
    use hostler_core::time::{Timestamp, Timing};

    /// A world, and how many inputs it was given.
    struct Told {
        world: World,
        inputs: usize,
    }

    impl Told {
        /// Applies an input, and the evidence of each boot that it leads to. Nothing may be refused.
        fn tell(&mut self, input: Input) -> Reply {
            self.inputs += 1;
            let is_request = matches!(input, Input::RequestLease { .. });
            let outcome = self.world.apply(Timestamp(1_000), input.clone());
            let taken = all_taken_over(&self.world).into_iter().filter(|_| is_request);
            let powered = outcome.effects.into_iter().map(|Effect::Power { node, boot, .. }| (node, boot));
            for (node, boot) in powered.chain(taken) {
                for seen in of_boot(&self.world, node, boot).unwrap() {
                    self.tell(seen);
                }
            }
            outcome.reply.unwrap_or_else(|refusal| panic!("{input:?}: {refusal}"))
        }

        fn node(&self) -> StateName {
            self.world.node_named("n1").unwrap().state.name()
        }

        fn lease(&mut self) -> LeaseId {
            let Reply::Tenant(tenant) = self.tell(Input::AddTenant { name: "ci".into() }) else { panic!() };
            let image = "bench".to_owned();
            let member = Member {
                role: "node".into(),
                count: 1,
                at_most: None,
                arch: [].into(),
                pool: None,
                nodes: [].into(),
                image,
                constraint: None,
            };
            let spec = LeaseSpec {
                members: vec![member],
                groupings: Vec::new(),
                duration_ms: 1_000,
                max_wait_ms: 1_000,
                purpose: String::new(),
                ssh_keys: Vec::new(),
                terms: Terms::default(),
            };
            self.inputs = 0;
            let Reply::Lease(id) = self.tell(Input::RequestLease { tenant, key: "k".into(), spec }) else {
                panic!()
            };
            id
        }
    }

    fn registered() -> Input {
        let spec = NodeSpec {
            name: "n1".into(),
            arch: Arch::X86_64,
            firmware: Firmware::Uefi,
            pool: "default".into(),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            address: "127.1.0.1".parse().unwrap(),
            serial: Some("S1".into()),
            uuid: None,
            keep_disks: [].into(),
            start: Start::Kexec,
            rack: None,
            switch: None,
            labels: [].into(),
        };
        let bmc = BmcSpec {
            address: "127.2.0.1:623".into(),
            user: "admin".into(),
            password: Sealed(String::new()),
            cipher_suite: 17,
            shared: false,
        };
        Input::Apply { author: "admin".into(), nodes: vec![(spec, bmc)] }
    }

    #[test]
    fn a_cycle_is_complete_and_of_the_size_that_is_told() {
        let mut told = Told { world: World::new(Timing::default()), inputs: 0 };
        told.tell(registered());
        assert_eq!(told.node(), StateName::Ready);
        let (name, sha256) = ("bench".to_owned(), "0".repeat(64));
        told.tell(Input::AddImage {
            name,
            arch: Arch::X86_64,
            content: hostler_core::catalogue::Content::raw(sha256, 1),
        });
        let id = told.lease();
        assert_eq!(told.node(), StateName::Leased);
        told.tell(Input::ReleaseLease { lease: id, author: "tenant ci".into(), at_once: false });
        assert!(told.world.leases.get(id).unwrap().is_closed());
        assert_eq!(told.node(), StateName::Ready);
        assert_eq!(told.inputs, INPUTS_PER_CYCLE);
    }
}
