//! A machine that is moved by hand: a real BMC and real firmware, and no system that would do anything by itself.

use crate::stage::{PATIENCE, Stage};
use crate::wire::Controller;
use anyhow::{Context as _, bail};
use hostler_agent::BootParams;
use hostler_bmc::{Secret, UserName};
use hostler_fleet::bmc::{BmcConfig, SimBmc};
use hostler_fleet::chassis::Chassis;
use hostler_fleet::firmware::{self, Booted};
use hostler_fleet::network::{Cable, Nic, Ports};
use hostler_fleet::room::{Block, MachinePlan, RegisteredNode, plan};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::time::timeout;

/// One machine.
#[derive(Debug)]
pub struct Puppet {
    plan: MachinePlan,
    chassis: Chassis,
    bmc: SimBmc,
    nic: Nic,
    /// Starts that were played.
    played: u64,
    _block: Block,
}

impl Puppet {
    /// A machine called `name` in the network of `stage`, which is off.
    ///
    /// # Errors
    /// If its addresses cannot be used.
    pub async fn new(stage: &Stage, name: &str) -> anyhow::Result<Self> {
        let block = Block::claim()?;
        let mut plan = plan(1, 99, block.first(), 0).pop().context("no plan")?;
        name.clone_into(&mut plan.name);
        let chassis = Chassis::new();
        let (user, password) = (UserName::new(&plan.user)?, Secret::new(plan.password.as_bytes())?);
        let config = BmcConfig::new(user, password, plan.guid);
        let bmc = SimBmc::start(plan.bmc.into(), config, chassis.clone()).await?;
        let (server, ports) = (Ipv4Addr::LOCALHOST, stage.installation().ports());
        let ports = Ports::default().with(server, 67, ports.dhcp).with(server, 69, ports.tftp);
        let nic = Nic::new(plan.mac, Cable::new(plan.address), ports, server);
        Ok(Self { plan, chassis, bmc, nic, played: 0, _block: block })
    }

    /// The truth about it.
    #[must_use]
    pub fn registration(&self) -> RegisteredNode {
        RegisteredNode::of(&self.plan, self.bmc.address())
    }

    /// Where its packets come from.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.plan.address
    }

    /// Its controller.
    #[must_use]
    pub const fn bmc(&self) -> &SimBmc {
        &self.bmc
    }

    /// Waits until it is started anew, and lets its firmware boot. Returns what is on the kernel's command line.
    ///
    /// # Errors
    /// If it is not started, or boots anything else than a kernel.
    pub async fn boot(&mut self) -> anyhow::Result<BootParams> {
        let (mut power, played) = (self.chassis.watch(), self.played);
        let started = timeout(PATIENCE, power.wait_for(|power| power.on && power.starts > played)).await;
        self.played = started.context("nobody starts the machine")??.starts;
        let machine = firmware::Machine::new(self.plan.kind, self.plan.uuid);
        let device = self.chassis.take_boot_device();
        match timeout(PATIENCE, firmware::boot(&machine, &self.nic, device, &|_| ())).await?? {
            Booted::Kernel { args, .. } => Ok(BootParams::parse(&args)?),
            Booted::LocalDisk => bail!("it boots the local disk"),
        }
    }
}

impl Stage {
    /// The controller as those know it who speak gRPC to it.
    ///
    /// # Errors
    /// If its certificate cannot be read.
    pub fn controller(&self) -> anyhow::Result<Controller> {
        let installation = self.installation();
        let ca = std::fs::read_to_string(installation.dir().join("ca.pem"))?;
        Ok(Controller { address: SocketAddr::from((Ipv4Addr::LOCALHOST, installation.ports().api)), ca })
    }
}
