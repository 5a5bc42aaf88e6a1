//! A room that runs.

use super::apply::{RegisteredNode, Registration};
use super::block::Block;
use super::plan::plan;
use crate::firmware;
use crate::machine::{SimMachine, Site};
use crate::network::Ports;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What a room is made of.
#[derive(Clone, Debug)]
pub struct RoomOptions {
    /// How many machines, at most [`super::MAX_MACHINES`].
    pub machines: usize,
    /// The same seed gives the same machines.
    pub seed: u64,
    /// Machines are at 127.`block`.x.y; any free block if none.
    pub block: Option<u8>,
    /// Where controllers answer; zero for any free port.
    pub bmc_port: u16,
    /// Where switches forward DHCP to, and where its well-known ports really are.
    pub server: Ipv4Addr,
    /// Where they forward it to as well.
    pub other_servers: Vec<Ipv4Addr>,
    /// See [`RoomOptions::server`].
    pub ports: Ports,
    /// How patient firmware is.
    pub timing: firmware::Timing,
    /// For disks.
    pub directory: PathBuf,
}

impl RoomOptions {
    /// A room of `machines` whose boot server is 127.0.0.1.
    #[must_use]
    pub fn new(machines: usize, seed: u64, directory: PathBuf) -> Self {
        let (server, ports, timing) = (Ipv4Addr::LOCALHOST, Ports::default(), firmware::Timing::default());
        Self {
            machines,
            seed,
            block: None,
            bmc_port: 0,
            server,
            other_servers: Vec::new(),
            ports,
            timing,
            directory,
        }
    }
}

/// Machines that are off, with controllers that answer. Dropping it takes them all out.
#[derive(Debug)]
pub struct Room {
    machines: Vec<SimMachine>,
    _block: Block,
}

impl Room {
    /// Sets a room up.
    ///
    /// # Errors
    /// If its addresses or its directory cannot be used.
    pub async fn start(options: RoomOptions) -> io::Result<Self> {
        let block = options.block.map_or_else(Block::claim, Block::claim_at)?;
        let RoomOptions { server, other_servers, ports, timing, directory, .. } = options;
        let site = Site { server, other_servers, ports, timing, directory };
        let mut machines = Vec::with_capacity(options.machines);
        for machine in plan(options.machines, options.seed, block.first(), options.bmc_port) {
            machines.push(SimMachine::start(machine, &site).await?);
        }
        Ok(Self { machines, _block: block })
    }

    /// Its machines, in the order of their names.
    #[must_use]
    pub fn machines(&self) -> &[SimMachine] {
        &self.machines
    }

    /// The machine of this name.
    #[must_use]
    pub fn machine(&self, name: &str) -> Option<&SimMachine> {
        self.machines.iter().find(|machine| machine.plan().name == name)
    }

    /// The truth about all of them, for `hostler apply`.
    #[must_use]
    pub fn registration(&self) -> Registration {
        let node = |machine: &SimMachine| RegisteredNode::of(machine.plan(), machine.bmc().address());
        Registration { node: self.machines.iter().map(node).collect() }
    }
}
