//! A machine as a test holds it.

use super::console::Console;
use super::life::Life;
use super::mainboard::Mainboard;
use super::plug::Plug;
use super::stage::Stage;
use crate::bmc::{BmcConfig, SimBmc};
use crate::chassis::Chassis;
use crate::firmware;
use crate::host::{HostSpec, SimHost};
use crate::network::{Cable, Nic, Ports};
use crate::room::{MachinePlan, arch, mac_text};
use hostler_bmc::{Secret, UserName};
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What machines find around them.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where switches forward DHCP to.
    pub server: Ipv4Addr,
    /// And to these as well.
    pub other_servers: Vec<Ipv4Addr>,
    /// Where its well-known ports really are.
    pub ports: Ports,
    /// How patient firmware is.
    pub timing: firmware::Timing,
    /// Disks are files below it, in a directory for each machine.
    pub directory: PathBuf,
}

/// A machine in its rack: it is off, and its controller answers. Dropping it takes it out, whatever it does.
#[derive(Debug)]
pub struct SimMachine {
    plan: MachinePlan,
    chassis: Chassis,
    bmc: SimBmc,
    plug: Arc<Plug>,
    host: Arc<SimHost>,
    console: Console,
    stage: watch::Receiver<Stage>,
    command_line: Arc<Mutex<Option<String>>>,
    mainboard: AbortHandle,
}

impl SimMachine {
    /// Puts a machine into its rack.
    ///
    /// # Errors
    /// If its addresses or its directory cannot be used, or its plan names credentials that IPMI cannot carry.
    pub async fn start(plan: MachinePlan, site: &Site) -> io::Result<Self> {
        let chassis = Chassis::new();
        let bmc = SimBmc::start(plan.bmc.into(), bmc_config(&plan)?, chassis.clone()).await?;
        let cable = Cable::new(plan.address);
        let host = Arc::new(SimHost::new(host_spec(&plan, site), cable.clone())?);
        let plug = Arc::new(Plug::new(cable.clone()));
        let console = Console::new(&plan.name);
        let (stage, stages) = watch::channel(Stage::Off);
        let command_line = Arc::default();
        let life = Life {
            chassis: chassis.clone(),
            firmware: firmware::Machine {
                timing: site.timing,
                ..firmware::Machine::new(plan.kind, plan.uuid)
            },
            nic: Nic::new(plan.mac, cable, site.ports.clone(), site.server).with_helpers(&site.other_servers),
            host: host.clone(),
            console: console.clone(),
            stage,
            command_line: Arc::clone(&command_line),
        };
        let mainboard = Mainboard { chassis: chassis.clone(), plug: plug.clone(), life };
        let mainboard = tokio::spawn(mainboard.run()).abort_handle();
        Ok(Self { plan, chassis, bmc, plug, host, console, stage: stages, command_line, mainboard })
    }

    /// Who it is.
    #[must_use]
    pub const fn plan(&self) -> &MachinePlan {
        &self.plan
    }

    /// Its controller, with its faults and its journal.
    #[must_use]
    pub const fn bmc(&self) -> &SimBmc {
        &self.bmc
    }

    /// Its power, as somebody who stands before it can switch it.
    #[must_use]
    pub const fn chassis(&self) -> &Chassis {
        &self.chassis
    }

    /// Its disks, its clock, what its firmware tells.
    #[must_use]
    pub const fn host(&self) -> &Arc<SimHost> {
        &self.host
    }

    /// What it prints.
    #[must_use]
    pub const fn console(&self) -> &Console {
        &self.console
    }

    /// What it does, and every change of that.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// Pulls its network cable. A restart does not bring it back. The controller has a cable of its own.
    pub fn cut_network(&self) {
        self.plug.pull(true);
    }

    /// Plugs its network cable in again.
    pub fn mend_network(&self) {
        self.plug.pull(false);
    }

    /// The kernel command line of its last boot from the network, with the token in it: what a thief could have read.
    #[must_use]
    pub fn stolen_command_line(&self) -> Option<String> {
        self.command_line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SimMachine {
    fn drop(&mut self) {
        self.mainboard.abort();
    }
}

fn bmc_config(plan: &MachinePlan) -> io::Result<BmcConfig> {
    let user = UserName::new(&plan.user).map_err(io::Error::other)?;
    let password = Secret::new(plan.password.as_bytes()).map_err(io::Error::other)?;
    Ok(BmcConfig::new(user, password, plan.guid))
}

fn host_spec(plan: &MachinePlan, site: &Site) -> HostSpec {
    let directory = site.directory.join(&plan.name);
    let uuid = plan.uuid.to_string();
    let spec = HostSpec::new(arch(plan.kind), &plan.serial, &uuid, &mac_text(plan.mac), directory);
    HostSpec { cpus: plan.cpus, ..spec }
}
