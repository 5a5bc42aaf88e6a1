//! What a session has told its agent, and what is new: derived from the published world each time, so that nothing
//! is lost with a session or a controller.

use super::session::Speaker;
use crate::controller::Controller;
use hostler_core::catalogue::{Content, Encoding, Image, Kind};
use hostler_core::ids::{NodeId, RunId};
use hostler_core::input::Profile;
use hostler_core::lease::Lease;
use hostler_core::node::{Disk, Inventory, Start};
use hostler_core::order::{self, Order, RunOrder};
use hostler_core::run::Run;
use hostler_core::world::World;
use hostler_proto::agent::v1::controller_message::Message as ToAgent;
use hostler_proto::agent::v1::task::Task as Work;
use hostler_proto::agent::v1::{
    BootDeployedTask, DeployDisklessTask, DeployTask, Hello, InspectTask, InspectedDisk, ProveTask, StartRun,
    StopRun, Task, WipeTask,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use tonic::Status;

/// Something to tell an agent.
#[derive(Debug)]
pub(super) struct News {
    pub(super) message: ToAgent,
    /// Digest of what the run that it starts gets on its standard input; empty for nothing.
    pub(super) stdin: String,
}

impl From<ToAgent> for News {
    fn from(message: ToAgent) -> Self {
        Self { message, stdin: String::new() }
    }
}

/// What this session's agent knows already.
#[derive(Debug)]
pub(super) struct Told {
    epoch: u64,
    task: Option<u64>,
    started: HashSet<RunId>,
    stopped: HashSet<RunId>,
}

impl Told {
    /// An agent says which runs it knows, so that none is started twice.
    pub(super) fn by(hello: &Hello, epoch: u64) -> Self {
        let started = hello.runs.iter().map(|r| RunId(r.run_id)).collect();
        Self { epoch, task: None, started, stopped: HashSet::new() }
    }

    /// The next thing that the agent has to be told now.
    ///
    /// # Errors
    /// If its boot is over, or it is to write to disks of which nothing is known.
    pub(super) fn news(&mut self, controller: &Controller, speaker: Speaker) -> Result<Option<News>, Status> {
        controller.published.read(|world| {
            if world.nodes.get(speaker.node).and_then(|n| n.current(speaker.boot)).is_none() {
                return Err(Status::permission_denied(format!(
                    "boot {} is over: a newer one was ordered",
                    speaker.boot
                )));
            }
            match speaker.profile {
                Profile::Ramdisk => Ok(self.task(controller, world, speaker.node)?.map(News::from)),
                Profile::Tenant => Ok(self.run(world, speaker.node)),
            }
        })
    }

    fn task(
        &mut self,
        controller: &Controller,
        world: &World,
        node: NodeId,
    ) -> Result<Option<ToAgent>, Status> {
        let Some((id, order)) = order::for_ramdisk(world, node) else { return Ok(None) };
        if self.task.replace(id) == Some(id) {
            return Ok(None);
        }
        let inspected = || writable(world.nodes.get(node).and_then(|node| node.inventory.as_ref()));
        let clear_bytes = world.nodes.get(node).map_or(0, |node| node.leftover_bytes);
        let url = |image: &Image| controller.boot_url(&format!("images/{}", image.content.sha256));
        let target = |keep| Ok::<_, Status>(Target { keep, inspected: inspected()?, clear_bytes });
        let work = match order {
            Order::Inspect => Work::Inspect(InspectTask {}),
            Order::Wipe { keep } => {
                Work::Wipe(WipeTask { keep_disks: keep, inspected: inspected()?, ..WipeTask::default() })
            }
            Order::Prove { keep } => Work::Prove(ProveTask { keep_disks: keep }),
            Order::Deploy { image, hostname, keep, ssh_keys } => {
                deployment(url(image), &image.content, hostname, ssh_keys, target(keep)?)
            }
            Order::WriteAhead { image, keep } => {
                match deployment(url(image), &image.content, "", &[], target(keep)?) {
                    Work::Deploy(task) => Work::WriteAhead(task),
                    _ => return Ok(None),
                }
            }
            Order::Start(start) => Work::BootDeployed(BootDeployedTask { restart: start == Start::Restart }),
        };
        Ok(Some(ToAgent::Task(Task { id, epoch: self.epoch, task: Some(work) })))
    }

    fn run(&mut self, world: &World, node: NodeId) -> Option<News> {
        order::for_tenant(world, node).into_iter().find_map(|order| match order {
            RunOrder::Start(run) if !self.started.contains(&run.id) => {
                let start = self.start(world, node, run)?;
                self.started.insert(run.id);
                Some(News { message: ToAgent::StartRun(start), stdin: run.spec.stdin_sha256.clone() })
            }
            RunOrder::Stop(run, reason) if self.stopped.insert(run) => {
                let (run_id, epoch) = (run.0, self.epoch);
                Some(ToAgent::StopRun(StopRun { run_id, epoch, reason: reason.to_owned() }).into())
            }
            RunOrder::Start(_) | RunOrder::Stop(..) => None,
        })
    }

    fn start(&self, world: &World, node: NodeId, run: &Run) -> Option<StartRun> {
        let lease = world.leases.get(run.lease)?;
        let mut environment: HashMap<String, String> = run.spec.environment.clone().into_iter().collect();
        environment.extend(surroundings(world, lease, node, run.id));
        Some(StartRun {
            run_id: run.id.0,
            epoch: self.epoch,
            command: run.spec.command.clone(),
            environment,
            timeout_ms: run.spec.timeout_ms.unwrap_or(0),
            junit: run.spec.junit.clone(),
            // Filled in by the session, outside of the world's lock.
            stdin: Vec::new(),
        })
    }
}

/// Which disks of a machine may be written.
struct Target {
    keep: Vec<String>,
    inspected: Vec<InspectedDisk>,
    /// So much of each may be of an image that was written ahead.
    clear_bytes: u64,
}

/// The task that makes an image a machine's system.
fn deployment(url: String, content: &Content, hostname: &str, keys: &[String], target: Target) -> Work {
    let (sha256, size_bytes) = (content.sha256.clone(), content.size_bytes);
    let (hostname, ssh_keys) = (hostname.to_owned(), keys.to_vec());
    let Target { keep: keep_disks, inspected, clear_bytes } = target;
    match &content.kind {
        Kind::Disk { encoding, disk_bytes } => {
            let encoding = match encoding {
                Encoding::Raw => String::new(),
                Encoding::Zstd | Encoding::Gzip => encoding.as_str().to_owned(),
            };
            Work::Deploy(DeployTask {
                url,
                sha256,
                size_bytes,
                hostname,
                keep_disks,
                encoding,
                disk_bytes: *disk_bytes,
                ssh_keys,
                inspected,
                clear_bytes,
            })
        }
        Kind::Diskless { kernel_bytes, arguments } => {
            let (kernel_bytes, arguments) = (*kernel_bytes, arguments.clone());
            Work::DeployDiskless(DeployDisklessTask {
                url,
                sha256,
                size_bytes,
                kernel_bytes,
                arguments,
                hostname,
                ssh_keys,
                keep_disks,
                inspected,
                clear_bytes,
            })
        }
    }
}

/// The disks that the inspection found to be the machine's own. What was reached by several paths then is not sent: with
/// one path left it looks like the machine's own.
///
/// # Errors
/// If there was no inspection.
fn writable(inventory: Option<&Inventory>) -> Result<Vec<InspectedDisk>, Status> {
    let inventory = inventory.ok_or_else(|| {
        Status::failed_precondition("the machine was never inspected, so its disks may not be written")
    })?;
    let inspected = |disk: &Disk| InspectedDisk {
        path: disk.path.clone(),
        serial: disk.serial.clone(),
        size_bytes: disk.size_bytes,
    };
    Ok(inventory.own_disks().map(inspected).collect())
}

/// What a payload knows of where it runs: its own name, role and address, and those of the other members.
fn surroundings(world: &World, lease: &Lease, node: NodeId, run: RunId) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("HOSTLER_LEASE".to_owned(), lease.id.to_string()),
        ("HOSTLER_RUN".to_owned(), run.to_string()),
    ]);
    let mut peers = Vec::new();
    for assigned in lease.group() {
        let (Some(member), Some(other)) =
            (lease.spec.members.get(assigned.member), world.nodes.get(assigned.node))
        else {
            continue;
        };
        let (name, address) = (&other.spec.name, other.spec.address.to_string());
        if assigned.node == node {
            variables.insert("HOSTLER_NODE".into(), name.clone());
            variables.insert("HOSTLER_ROLE".into(), member.role.clone());
            variables.insert("HOSTLER_ARCH".into(), other.spec.arch.to_string());
            variables.insert("HOSTLER_ADDRESS".into(), address.clone());
        } else {
            peers.push(format!("{name}={address}"));
        }
        let role = format!("HOSTLER_ROLE_{}", member.role.to_ascii_uppercase().replace('-', "_"));
        let list = variables.entry(role).or_default();
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(&format!("{name}={address}"));
    }
    variables.insert("HOSTLER_PEERS".into(), peers.join(" "));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_disks_that_were_inspected_may_be_written() {
        let disk = |serial: &str, remote| Disk {
            path: format!("/dev/{serial}"),
            serial: serial.to_owned(),
            size_bytes: 1 << 30,
            remote,
            ..Disk::default()
        };
        let inventory =
            Inventory { disks: vec![disk("own", false), disk("far", true)], ..Inventory::default() };
        let own = InspectedDisk { path: "/dev/own".into(), serial: "own".into(), size_bytes: 1 << 30 };
        assert_eq!(writable(Some(&inventory)).unwrap(), [own]);
        assert_eq!(writable(Some(&Inventory::default())).unwrap(), []);
        assert_eq!(writable(None).unwrap_err().code(), tonic::Code::FailedPrecondition);
    }
}
