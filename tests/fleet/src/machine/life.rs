//! From power-on to power-off.

use super::console::Console;
use super::stage::Stage;
use crate::chassis::Chassis;
use crate::firmware::{self, Booted};
use crate::host::{Order, SimHost};
use crate::network::Nic;
use hostler_agent::{BootParams, DeployedIdentity, Exit, run_deployed, run_ramdisk};
use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// What the first process of a ramdisk does with an error: it waits for somebody to read the console, and restarts.
const READ_THE_CONSOLE: Duration = Duration::from_secs(60);

/// Everything that runs while the power is on.
pub(super) struct Life {
    pub(super) chassis: Chassis,
    pub(super) firmware: firmware::Machine,
    pub(super) nic: Nic,
    pub(super) host: Arc<SimHost>,
    pub(super) console: Console,
    pub(super) stage: watch::Sender<Stage>,
    /// Of the last kernel that came from the network.
    pub(super) command_line: Arc<Mutex<Option<String>>>,
}

/// How a system comes to its end, as long as the power is on.
enum End {
    /// Through the firmware.
    Restart,
    /// By its own hand.
    Off,
    /// It stays as it is.
    Dead(String),
}

impl Life {
    pub(super) fn enter(&self, stage: Stage) {
        tracing::info!("{}: {stage}", self.console.machine());
        self.stage.send_replace(stage);
    }

    pub(super) async fn live(&self) -> Infallible {
        loop {
            match self.system().await {
                End::Restart => self.console.say("restarts"),
                End::Off => {
                    self.console.say("switches itself off");
                    self.chassis.off();
                    return pending().await;
                }
                End::Dead(reason) => return self.die(reason).await,
            }
            self.host.lose_power().await;
        }
    }

    /// From the firmware to the end of what it has started.
    async fn system(&self) -> End {
        let mut restarts = self.host.restarts();
        restarts.mark_unchanged();
        let system = async {
            match self.boot().await {
                Ok(Booted::Kernel { args, .. }) => self.ramdisk(&args).await,
                Ok(Booted::LocalDisk) => self.deployed().await,
                Err(error) => End::Dead(chain(&error)),
            }
        };
        tokio::select! {
            end = system => end,
            // The sender lives as long as the host.
            _ = restarts.changed() => End::Restart,
        }
    }

    async fn boot(&self) -> Result<Booted, firmware::FirmwareError> {
        self.enter(Stage::Firmware);
        let bootable_disk = matches!(self.host.installed(), Ok(Some(_)));
        let machine = firmware::Machine { bootable_disk, ..self.firmware };
        let say = |line: &str| self.console.say(line);
        firmware::boot(&machine, &self.nic, self.chassis.take_boot_device(), &say).await
    }

    async fn ramdisk(&self, args: &str) -> End {
        self.enter(Stage::Ramdisk);
        *self.command_line.lock().unwrap_or_else(PoisonError::into_inner) = Some(args.to_owned());
        let params = match BootParams::parse(args) {
            Ok(params) => params,
            Err(error) => return End::Dead(format!("kernel panic: {}", chain(&error))),
        };
        match run_ramdisk(self.host.clone(), params).await {
            Ok(Exit::StartDeployed) => {
                self.console.say("kexec");
                self.deployed().await
            }
            Ok(Exit::Fenced { reason }) => self.waits(&reason).await,
            Err(error) => {
                self.console.say(&format!("{}; restarts in {READ_THE_CONSOLE:?}", chain(&error)));
                sleep(READ_THE_CONSOLE).await;
                End::Restart
            }
        }
    }

    async fn deployed(&self) -> End {
        let identity = match self.installed() {
            Ok(identity) => identity,
            Err(reason) => return End::Dead(reason),
        };
        self.enter(Stage::Deployed);
        self.console.say(&format!("{} login:", identity.hostname));
        let agent = async {
            // An agent that ends does not end the system that it runs on.
            match run_deployed(self.host.clone(), identity).await {
                Ok(Exit::Fenced { reason }) => self.waits(&reason).await,
                Ok(Exit::StartDeployed) => self.waits("done").await,
                Err(error) => self.waits(&chain(&error)).await,
            }
        };
        tokio::select! {
            end = agent => end,
            order = self.host.order() => match order {
                Ok(Order::Restart) => End::Restart,
                Ok(Order::Off) => End::Off,
                Ok(Order::Panic) => End::Dead("kernel panic by order of the payload".to_owned()),
                Err(error) => End::Dead(format!("the machine hears no orders: {error}")),
            },
        }
    }

    fn installed(&self) -> Result<DeployedIdentity, String> {
        match self.host.installed() {
            Ok(Some(identity)) => Ok(identity),
            Ok(None) => Err("the disk holds no system".to_owned()),
            Err(error) => Err(format!("the disk holds no system that can be read: {error}")),
        }
    }

    /// The agent is done; the machine waits for the controller to switch it.
    async fn waits(&self, reason: &str) -> End {
        self.console.say(&format!("agent: {reason}"));
        pending().await
    }

    async fn die(&self, reason: String) -> Infallible {
        self.console.say(&reason);
        self.enter(Stage::Dead { reason });
        pending().await
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
