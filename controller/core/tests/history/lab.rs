//! The rack: machines, the wires to their BMCs, and everything that is on its way to or from the controller.

use crate::machine::{Content, Machine, Platter, Running, Surroundings, says};
use crate::random::Random;
use hostler_core::attempt::Purpose;
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{BootId, NodeId};
use hostler_core::input::{Effect, Input, PowerResult, Profile, Report};
use hostler_core::node::{BmcSpec, Disk, Node, NodeSpec, Sealed, Start};
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// An input, and the machine that waits for the answer.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) input: Input,
    pub(crate) from: Option<usize>,
}

/// The rack.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) machines: Vec<Machine>,
    /// Machines whose BMC is at the other machine's wire.
    pub(crate) crossed: BTreeMap<String, String>,
    /// Nodes whose BMC account is wrong.
    pub(crate) denied: BTreeSet<String>,
    /// Power attempts that were handed out and not yet carried out.
    pub(crate) effects: Vec<Effect>,
    /// What is delivered later, once more or for the first time.
    pub(crate) late: Vec<Input>,
    /// The agents that the shell believes to be connected.
    connections: BTreeMap<usize, (NodeId, BootId, Profile)>,
    pub(crate) faults: u64,
}

impl Lab {
    pub(crate) fn build(machines: usize, faults: u64, random: &mut Random) -> Self {
        Self {
            machines: (0..machines).map(|i| machine(i, random)).collect(),
            crossed: BTreeMap::new(),
            denied: BTreeSet::new(),
            effects: Vec::new(),
            late: Vec::new(),
            connections: BTreeMap::new(),
            faults,
        }
    }

    /// The machine with the node's boot interface.
    pub(crate) fn machine_of(&mut self, node: &Node) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|m| m.hardware.mac == node.spec.mac)
    }

    /// The machine at the other end of the wire of the node's BMC.
    fn wired(&self, world: &World, node: &Node) -> Option<usize> {
        let address = &world.bmcs.get(node.bmc)?.spec.address;
        let on_it: Vec<_> =
            (0..self.machines.len()).filter(|i| self.registration(*i).1.address == *address).collect();
        let right = on_it.iter().find(|i| self.machines[**i].hardware.mac == node.spec.mac);
        let right = *right.or(on_it.first())?;
        match self.crossed.get(self.machines[right].name()) {
            Some(other) => self.machines.iter().position(|m| m.name() == other),
            None => Some(right),
        }
    }

    /// Some machine does its next step.
    pub(crate) fn act(&mut self, world: &World, now: Timestamp, random: &mut Random) -> Vec<Message> {
        let see = Surroundings { world, now, faults: self.faults };
        for _ in 0..self.machines.len() {
            let index = random.index(self.machines.len());
            let said = self.machines[index].act(&see, random);
            if !said.is_empty() {
                return said.into_iter().map(|input| Message { input, from: Some(index) }).collect();
            }
        }
        Vec::new()
    }

    /// What a machine said was stored and is answered.
    pub(crate) fn answered(&mut self, index: usize, input: &Input, accepted: bool) {
        let machine = &mut self.machines[index];
        machine.answered(input, accepted);
        if let Some(connection) = machine.connection() {
            self.connections.insert(index, connection);
        }
    }

    /// Carries out one of the power attempts that were handed out.
    pub(crate) fn carry_out(&mut self, world: &World, random: &mut Random) -> Option<Input> {
        let first = usize::from(self.effects.len() > 1 && random.chance(self.faults));
        let Effect::Power { node, boot, .. } =
            if self.effects.is_empty() { return None } else { self.effects.remove(first) };
        let registered = world.nodes.get(node)?;
        let answer = |result| Some(Input::Power { node, boot, result });
        if self.denied.contains(&registered.spec.name) {
            return answer(PowerResult::Denied { detail: "unauthorized name".into() });
        }
        let fault = if random.chance(self.faults) { random.below(5) } else { 5 };
        let machine = self.wired(world, registered)?;
        let machine = &mut self.machines[machine];
        if matches!(fault, 2..) {
            match registered.current(boot).map(|boot| boot.purpose) {
                Some(Purpose::Rest) => machine.power_off(),
                _ => machine.reset(),
            }
        }
        let failed = |detail: &str| PowerResult::Failed { detail: detail.into() };
        match fault {
            0 => answer(failed("no route to the BMC")),
            1 | 2 => None,
            3 => answer(failed("the session timed out")),
            _ => {
                let guid = machine.guid.clone();
                answer(PowerResult::Acknowledged { guid, detail: "on".into() })
            }
        }
    }

    /// The shell notices that an agent which was connected is not any more.
    pub(crate) fn notice_silence(&mut self, random: &mut Random) -> Option<Input> {
        let gone: Vec<_> = self
            .connections
            .iter()
            .filter(|(index, known)| {
                let machine = &self.machines[**index];
                machine.cut || machine.connection() != Some(**known)
            })
            .map(|(index, _)| *index)
            .collect();
        let index = *random.pick(&gone)?;
        let (node, boot, profile) = self.connections.remove(&index)?;
        Some(says(node, boot, profile, Report::Lost))
    }

    /// Cuts most machines off.
    pub(crate) fn cut(&mut self, random: &mut Random) {
        for machine in &mut self.machines {
            machine.cut = random.chance(800);
        }
    }

    /// Mends the network; agents that still run are heard again.
    pub(crate) fn mend(&mut self) -> Vec<Input> {
        let mut back = Vec::new();
        for (index, machine) in self.machines.iter_mut().enumerate() {
            if std::mem::take(&mut machine.cut)
                && let Some((node, boot, profile)) = machine.connection()
            {
                self.connections.insert(index, (node, boot, profile));
                back.push(says(node, boot, profile, Report::Back));
            }
        }
        back
    }

    /// From now on everything works; what is broken waits for an administrator.
    pub(crate) fn calm(&mut self) {
        self.faults = 0;
        self.late.clear();
        self.crossed.clear();
        self.denied.clear();
        for machine in &mut self.machines {
            machine.dead = false;
        }
    }

    /// The controller died: what it was about to do is not done, and it hears of nobody.
    pub(crate) fn controller_died(&mut self, random: &mut Random) {
        self.effects.retain(|_| random.chance(300));
        self.connections.clear();
        self.machines.iter_mut().for_each(Machine::disconnect);
    }

    /// What an administrator would register, if they made no mistake.
    pub(crate) fn registration(&self, index: usize) -> (NodeSpec, BmcSpec) {
        let machine = &self.machines[index];
        let shared = index % 6 < 2 && self.machines.len() > index - index % 6 + 1;
        let bmc = if shared { index - index % 6 } else { index };
        let account = BmcSpec {
            address: format!("10.0.9.{bmc}:623"),
            user: "hostler".into(),
            password: Sealed(format!("sealed {bmc}")),
            cipher_suite: 17,
            shared,
        };
        (machine.hardware.clone(), account)
    }
}

fn machine(index: usize, random: &mut Random) -> Machine {
    let number = u8::try_from(index).unwrap_or(u8::MAX);
    let arch = random.weighted(&[(5, Arch::X86_64), (3, Arch::Aarch64), (2, Arch::Ppc64le)]);
    let firmware = Firmware::ALL.into_iter().rev().find(|f| f.exists_on(arch)).unwrap_or(Firmware::Uefi);
    let identified = random.chance(800);
    let uuid = format!("00112233-4455-6677-8899-aabbccddee{number:02x}");
    let disks: Vec<_> = (0..1 + random.below(3)).map(|i| platter(index, i, random)).collect();
    let keep = disks.iter().filter(|_| random.chance(100)).map(|p| p.disk.serial.clone()).collect();
    Machine {
        hardware: NodeSpec {
            name: format!("n{index}"),
            arch,
            firmware,
            pool: (if random.chance(800) { "lab" } else { "far" }).into(),
            mac: Mac([0x52, 0x54, 0, 0, 0, number]),
            address: Ipv4Addr::new(10, 0, 0, number),
            serial: identified.then(|| format!("S{index}")),
            uuid: random.chance(300).then(|| uuid.clone()),
            keep_disks: keep,
            start: Start::Kexec,
            rack: Some(format!("k{}", index % 3)),
            switch: None,
            labels: BTreeMap::new(),
        },
        guid: random.chance(500).then_some(uuid),
        disks,
        running: Running::Off,
        cut: false,
        dead: false,
        approved: false,
        installed: None,
        wiped_in: None,
        vacated: None,
        started: BTreeMap::new(),
        violation: None,
    }
}

fn platter(machine: usize, index: u64, random: &mut Random) -> Platter {
    Platter {
        disk: Disk {
            path: format!("/dev/sd{index}"),
            serial: format!("D{machine}-{index}"),
            size_bytes: 1 << 30,
            remote: random.chance(50),
            ..Disk::default()
        },
        content: if random.chance(150) { Content::Precious } else { Content::Blank },
        hidden: false,
    }
}
