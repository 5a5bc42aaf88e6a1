//! Carries out power attempts, and the administrator's hands on the power button.

use crate::config::BmcConfig;
use crate::executor::{Effects, Executor};
use crate::keys::SealKey;
use crate::leadership::Office;
use crate::published::Published;
use anyhow::Context as _;
use hostler_bmc::{
    BootDevice, BootFlags, ChassisControl, CipherSuite, Error, Permit, Privilege, Secret, Session, Target,
    Timing, UserName,
};
use hostler_core::attempt::{Purpose, Rung};
use hostler_core::hardware::Firmware;
use hostler_core::ids::{BmcId, BootId, LeaseId, NodeId};
use hostler_core::input::{Effect, Input, PowerResult};
use hostler_core::world::World;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Speaks to management controllers: one request at a time to each, a bounded number of sessions in all.
#[derive(Debug)]
pub(crate) struct Power {
    config: BmcConfig,
    seal: Arc<SealKey>,
    published: Arc<Published>,
    office: Arc<Office>,
    sessions: Semaphore,
    in_use: Mutex<HashMap<BmcId, Arc<tokio::sync::Mutex<()>>>>,
}

/// What an administrator may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHand {
    Status,
    On,
    Off,
    Cycle,
}

impl Power {
    pub(crate) fn new(
        config: BmcConfig,
        seal: Arc<SealKey>,
        published: Arc<Published>,
        office: Arc<Office>,
    ) -> Self {
        let sessions = Semaphore::new(config.sessions);
        Self { config, seal, published, office, sessions, in_use: Mutex::default() }
    }

    /// Tells whether the chassis has power after what was asked for. Nothing is done if the node has another lease
    /// by the time that its BMC is free than the one, or none, for which this was asked.
    pub(crate) async fn by_hand(
        &self,
        node: NodeId,
        lease: Option<LeaseId>,
        action: ByHand,
    ) -> anyhow::Result<bool> {
        let (bmc, firmware) = self
            .published
            .read(|w| w.nodes.get(node).map(|n| (n.bmc, n.spec.firmware)))
            .context("the node is gone")?;
        let target = self.target(bmc, Privilege::Operator).await?;
        let mut work = Work { target, firmware, config: &self.config, permit: self.permit() };
        let lock = self.lock(bmc);
        let _one_at_a_time = lock.lock().await;
        let _session = self.sessions.acquire().await?;
        let now = self.published.read(|w| w.nodes.get(node).and_then(|n| n.state.lease()));
        anyhow::ensure!(
            now == lease || action == ByHand::Status,
            "the node was given to another lease meanwhile"
        );
        let mut session = work.open().await?;
        match action {
            ByHand::Status => {}
            ByHand::On => session.ensure_power(true, work.settle()).await?,
            ByHand::Off => session.ensure_power(false, work.settle()).await?,
            ByHand::Cycle => session.restart(work.settle()).await?,
        }
        let on = session.chassis_status().await?.power_on;
        session.close().await;
        Ok(on)
    }

    async fn attempt(&self, node: NodeId, bmc: BmcId, boot: BootId, rung: Rung) -> PowerResult {
        let failed = |detail: String| PowerResult::Failed { detail };
        // First the BMC, then a place among the sessions: nodes of one slow BMC must not take all places.
        let lock = self.lock(bmc);
        let _one_at_a_time = lock.lock().await;
        let Ok(_session) = self.sessions.acquire().await else {
            return failed("the controller is ending".into());
        };
        // The leader before may still be at it.
        self.office.until_may_act().await;
        // What was stored together with something newer, or given up while it waited here, is not begun.
        let current = |w: &World| {
            let node = w.nodes.get(node)?;
            Some((node.spec.firmware, node.current(boot)?.purpose))
        };
        let Some((firmware, purpose)) = self.published.read(current) else {
            return failed("this boot is not wanted any more".into());
        };
        // A cold reset is the one command that operators may not give (IPMI v2.0, appendix G).
        let privilege = if rung == Rung::BmcReset { Privilege::Administrator } else { Privilege::Operator };
        let target = match self.target(bmc, privilege).await {
            Ok(target) => target,
            Err(error) => return failed(format!("{error:#}")),
        };
        let mut work = Work { target, firmware, config: &self.config, permit: self.permit() };
        if rung == Rung::BmcReset {
            if let Err(error) = work.reset_bmc().await {
                return outcome(Err(error));
            }
            // That takes minutes, in which the machine may have shown itself or been given up.
            let wanted =
                |w: &World| w.nodes.get(node).and_then(|n| n.current(boot)).is_some_and(|b| !b.was_seen());
            if !self.published.read(wanted) {
                return failed("this boot is not wanted any more".into());
            }
        }
        outcome(match purpose {
            Purpose::Rest => work.power_off().await,
            _ => work.boot_from_network(rung).await,
        })
    }

    /// Given while this controller may act on machines.
    fn permit(&self) -> Permit {
        let office = self.office.clone();
        Permit::new(move || office.may_act())
    }

    fn lock(&self, bmc: BmcId) -> Arc<tokio::sync::Mutex<()>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).entry(bmc).or_default().clone()
    }

    async fn target(&self, bmc: BmcId, privilege: Privilege) -> anyhow::Result<Target> {
        let spec =
            self.published.read(|w| w.bmcs.get(bmc).map(|b| b.spec.clone())).context("the BMC is gone")?;
        let mut addresses = tokio::net::lookup_host(&spec.address)
            .await
            .with_context(|| format!("the BMC's address {} cannot be resolved", spec.address))?;
        Ok(Target {
            address: addresses.next().with_context(|| format!("{} has no address", spec.address))?,
            user: UserName::new(&spec.user)?,
            password: Secret::new(self.seal.open(&spec.password)?.as_bytes())?,
            kg: None,
            suite: if spec.cipher_suite == 3 { CipherSuite::Aes128Sha1 } else { CipherSuite::Aes128Sha256 },
            privilege,
        })
    }
}

/// What the core is told of an attempt.
fn outcome(result: Result<PowerResult, Error>) -> PowerResult {
    match result {
        Ok(result) => result,
        Err(error @ (Error::AuthenticationRefused { .. } | Error::PrivilegeRefused { .. })) => {
            PowerResult::Denied { detail: crate::chain(&error) }
        }
        Err(error) => PowerResult::Failed { detail: crate::chain(&error) },
    }
}

/// Carries out attempts. A newer attempt on a node ends the older one.
impl Executor for Arc<Power> {
    async fn run(self, mut effects: Effects) {
        let (tasks, evidence) = (TaskTracker::new(), effects.evidence());
        let mut running: HashMap<NodeId, CancellationToken> = HashMap::new();
        while let Some(Effect::Power { node, bmc, boot, rung }) = effects.next().await {
            let token = effects.stop.child_token();
            if let Some(older) = running.insert(node, token.clone()) {
                older.cancel();
            }
            let (power, evidence) = (self.clone(), evidence.clone());
            tasks.spawn(token.run_until_cancelled_owned(async move {
                let result = power.attempt(node, bmc, boot, rung).await;
                tracing::debug!(%node, %boot, ?result, "power attempt");
                // Refused only while the controller ends: the attempt is then of unknown outcome.
                let _ = evidence.submit(Input::Power { node, boot, result }).await;
            }));
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// One conversation with one BMC.
struct Work<'a> {
    target: Target,
    firmware: Firmware,
    config: &'a BmcConfig,
    permit: Permit,
}

impl Work<'_> {
    async fn open(&mut self) -> Result<Session, Error> {
        let request = Duration::from_millis(self.config.request_ms);
        let retransmit = Duration::from_millis(self.config.retransmit_ms);
        let timing = Timing { retransmit, request, open: request };
        Session::open_while(&self.target, timing, &self.permit).await
    }

    const fn settle(&self) -> Duration {
        Duration::from_millis(self.config.settle_ms)
    }

    async fn boot_from_network(&mut self, rung: Rung) -> Result<PowerResult, Error> {
        let mut session = self.open().await?;
        let device = self.order_network_boot(&mut session).await?;
        let on = session.chassis_status().await?.power_on;
        let done = match (on, rung) {
            (false, _) => {
                session.chassis_control(ChassisControl::PowerOn).await?;
                "power on"
            }
            (true, Rung::First | Rung::Repeat) => {
                session.chassis_control(ChassisControl::PowerCycle).await?;
                "power cycle"
            }
            (true, Rung::HardCycle | Rung::BmcReset) => {
                session.restart(self.settle()).await?;
                "off and on"
            }
        };
        // A BMC without a GUID, or one that refuses to tell, is no reason to fail.
        let guid = session.system_guid().await.ok().map(|g| g.to_string());
        session.close().await;
        Ok(PowerResult::Acknowledged { guid, detail: format!("{done}; {device}") })
    }

    /// Nothing on the machine wants to be asked before: it runs the ramdisk, and its disks are wiped.
    async fn power_off(&mut self) -> Result<PowerResult, Error> {
        let mut session = self.open().await?;
        session.ensure_power(false, self.settle()).await?;
        session.close().await;
        Ok(PowerResult::Acknowledged { guid: None, detail: "seen to be off".into() })
    }

    /// Some BMCs drop the boot device silently. That is noted, and the boot is tried all the same: the firmware's own
    /// order may have the network first, and evidence decides.
    async fn order_network_boot(&self, session: &mut Session) -> Result<&'static str, Error> {
        let uefi = self.firmware == Firmware::Uefi;
        let flags = BootFlags { device: BootDevice::Network, uefi, persistent: false };
        match session.set_boot_flags(flags).await {
            Ok(()) => {}
            Err(Error::Refused { .. }) => return Ok("the BMC knows no boot device"),
            Err(error) => return Err(error),
        }
        match session.boot_flags().await {
            Ok(Some(read)) if read.device == BootDevice::Network => Ok("boot device: network"),
            Ok(_) | Err(Error::Refused { .. }) => Ok("the BMC dropped the boot device"),
            Err(error) => Err(error),
        }
    }

    /// Restarts the BMC and waits until it answers again.
    async fn reset_bmc(&mut self) -> Result<(), Error> {
        let mut session = self.open().await?;
        match session.cold_reset().await {
            // Many reset before they answer.
            Ok(()) | Err(Error::Unanswered { .. }) => {}
            // It cannot; power is tried all the same.
            Err(Error::Refused { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        drop(session);
        let span = Duration::from_millis(self.config.reset_ms);
        // Many answer for some seconds before they go down.
        let _ = tokio::time::timeout(span / 6, self.until_it_answers(false)).await;
        match tokio::time::timeout(span, self.until_it_answers(true)).await {
            Ok(result) => result,
            Err(_) => self.open().await.map(drop),
        }
    }

    /// Asks once a second. A refused account is not tried again.
    async fn until_it_answers(&mut self, wanted: bool) -> Result<(), Error> {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let answers = match self.open().await {
                Ok(session) => {
                    session.close().await;
                    true
                }
                Err(error @ Error::AuthenticationRefused { .. }) => return Err(error),
                Err(_) => false,
            };
            if answers == wanted {
                return Ok(());
            }
        }
    }
}
