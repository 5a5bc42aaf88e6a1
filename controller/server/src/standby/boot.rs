//! What machines are told that ask here. DHCP is the leader's: a machine that begins gets one answer, and comes to the
//! leader. Who asks here was told to when this controller led, and waits in a script that asks again and again.

use crate::controller::Controller;
use crate::netboot::{NetBoot, client};
use hostler_core::boot::{self, BootPlan};
use hostler_core::hardware::Mac;
use hostler_core::ids::BootId;
use hostler_pxe::{BootSource, Client, Observation};
use hostler_store::{Follower, PostgresUrl, StoreError};
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use tokio::task::block_in_place;

/// Answers from the node's row as it is in the database.
pub(super) struct Boot {
    source: NetBoot,
    rows: Mutex<Follower>,
}

impl Boot {
    pub(super) fn new(controller: &Controller, url: &PostgresUrl) -> Self {
        Self { source: crate::boot::source(controller), rows: Mutex::new(Follower::new(url)) }
    }

    fn ask<T>(&self, question: impl FnOnce(&mut Follower) -> Result<T, StoreError>) -> Result<T, StoreError> {
        block_in_place(|| question(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl BootSource for Boot {
    fn by_mac(&self, _: Mac) -> Option<Client> {
        None
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<Client> {
        match self.ask(|rows| rows.node_at(address)) {
            Ok(node) => node.as_ref().map(client),
            Err(error) => {
                // It gets nothing, and its script asks again.
                tracing::warn!(%address, "a machine asks, and the database does not answer: {}", crate::chain(&error));
                None
            }
        }
    }

    fn plan(&self, client: &Client) -> BootPlan {
        let wait = |reason: &str| BootPlan::Wait { reason: reason.to_owned() };
        match self.ask(|rows| rows.node(client.node)) {
            Ok(Some(node)) => boot::decide(&node),
            Ok(None) => wait("it is not registered any more"),
            Err(_) => wait("the database does not answer"),
        }
    }

    fn kernel_args(&self, client: &Client, boot: BootId) -> Vec<String> {
        self.source.kernel_args(client, boot)
    }

    /// The leader hears of the machine from its agent.
    fn observe(&self, _: &Client, _: Observation) {}

    fn unknown(&self, _: Mac) {}
}
