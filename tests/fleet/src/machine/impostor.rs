//! A thief on the provisioning network.

use crate::host::{HostSpec, SimHost};
use crate::network::Cable;
use hostler_agent::{BootParams, Exit, run_ramdisk};
use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

/// A machine that is not registered, at an address of its own, with the real agent. It uses what it has read on its
/// way to another machine: see [`super::SimMachine::stolen_command_line`].
#[derive(Debug)]
pub struct Impostor(Arc<SimHost>);

impl Impostor {
    /// At `address`, which may be that of its victim.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn new(address: Ipv4Addr, directory: PathBuf) -> io::Result<Self> {
        let spec = HostSpec::new(
            "x86_64",
            "IMPOSTOR",
            &uuid::Uuid::nil().to_string(),
            "52:54:00:ff:ff:ff",
            directory,
        );
        Ok(Self(Arc::new(SimHost::new(spec, Cable::new(address))?)))
    }

    /// Does what the victim's agent does, with a key of its own.
    ///
    /// # Errors
    /// The controller refused it, which is as it should be.
    pub async fn enrol(&self, stolen_command_line: &str) -> Result<Exit, Box<dyn Error + Send + Sync>> {
        Ok(run_ramdisk(self.0.clone(), BootParams::parse(stolen_command_line)?).await?)
    }
}
