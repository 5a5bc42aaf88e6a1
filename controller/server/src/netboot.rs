//! The controller as the boot server sees it.

use crate::clock::Clock;
use crate::config::Console;
use crate::controller::Controller;
use crate::keys::{TokenClaims, TokenKey};
use crate::leadership::Office;
use crate::published::Published;
use hostler_core::boot::{self, BootPlan};
use hostler_core::hardware::Mac;
use hostler_core::ids::BootId;
use hostler_core::input::Input;
use hostler_core::node::Node;
use hostler_core::time::Timestamp;
use hostler_pxe::{BootSource, Client, Observation};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Evidence that may wait for the writer. More is dropped: a machine that boots asks again.
const BACKLOG: usize = 16_384;

/// Strangers that are remembered, so that each is told of once.
const STRANGERS: usize = 1_024;

/// What every agent is told besides its identity.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) args: Vec<String>,
    pub(crate) console: Console,
    pub(crate) netmask: Ipv4Addr,
    pub(crate) router: Option<Ipv4Addr>,
}

/// Answers the boot server from the published world.
#[derive(Debug)]
pub(crate) struct NetBoot {
    published: Arc<Published>,
    tokens: Arc<TokenKey>,
    clock: Clock,
    office: Arc<Office>,
    common: Common,
    evidence: mpsc::Sender<Input>,
    strangers: Mutex<HashSet<Mac>>,
}

impl NetBoot {
    /// Begins to forward evidence; the task ends when this is dropped.
    pub(crate) fn new(controller: &Controller, common: Common) -> Self {
        let (evidence, mut waiting) = mpsc::channel(BACKLOG);
        let inbox = controller.inbox.clone();
        controller.tasks.spawn(async move {
            while let Some(input) = waiting.recv().await {
                // Refused only while the controller ends.
                let _ = inbox.post(input).await;
            }
        });
        Self {
            published: controller.published.clone(),
            tokens: controller.tokens.clone(),
            clock: controller.clock,
            office: controller.office.clone(),
            common,
            evidence,
            strangers: Mutex::default(),
        }
    }

    fn tell(&self, input: Input) {
        if self.evidence.try_send(input).is_err() {
            tracing::warn!("evidence was dropped: {BACKLOG} inputs are waiting for the store");
        }
    }
}

impl BootSource for NetBoot {
    fn by_mac(&self, mac: Mac) -> Option<Client> {
        self.published.read(|w| w.node_by_mac(mac).map(client))
    }

    fn by_address(&self, address: Ipv4Addr) -> Option<Client> {
        self.published.read(|w| w.node_by_address(address).map(client))
    }

    fn plan(&self, client: &Client) -> BootPlan {
        if !self.office.may_act() {
            // Another controller may lead, and have decided something else.
            return BootPlan::Wait { reason: "the controller makes sure that it leads".to_owned() };
        }
        let unknown = || BootPlan::Wait { reason: format!("{} is not registered any more", client.name) };
        self.published.read(|w| w.nodes.get(client.node).map(boot::decide)).unwrap_or_else(unknown)
    }

    fn kernel_args(&self, client: &Client, boot: BootId) -> Vec<String> {
        let token = self.tokens.token(TokenClaims { boot, node: client.node, mac: client.mac });
        let mut args = self.common.args.clone();
        args.extend(self.common.console.of(client.arch).map(|console| format!("console={console}")));
        // The kernel would print its command line, and the token in it, on a console that may be recorded.
        args.push("loglevel=5".to_owned());
        // A kernel that panics restarts: that its boot script is asked for again is seen.
        args.push("panic=10".to_owned());
        let controllers = self.office.addresses();
        args.extend(controllers.first().map(|url| format!("hostler.controller={url}")));
        if controllers.len() > 1 {
            args.push(format!("hostler.controllers={}", controllers.join(",")));
        }
        args.push(format!("hostler.mac={}", client.mac));
        args.push(format!(
            "hostler.address={}/{}",
            client.address,
            u32::from(self.common.netmask).leading_ones()
        ));
        args.extend(self.common.router.map(|router| format!("hostler.gateway={router}")));
        args.push(format!("hostler.boot={boot}"));
        args.push(format!("hostler.node={}", client.name));
        args.push(format!("hostler.time_ms={}", self.clock.now().0));
        args.push(format!("hostler.token={token}"));
        args
    }

    fn observe(&self, client: &Client, seen: Observation) {
        if !seen.complete {
            // UEFI opens each file once only to learn its size. The whole transfer that follows is evidence.
            return;
        }
        let elapsed = u64::try_from(seen.elapsed.as_millis()).unwrap_or(u64::MAX);
        let began = Timestamp(self.clock.now().0.saturating_sub(elapsed));
        self.tell(Input::Network { node: client.node, evidence: seen.kind, began, detail: seen.detail });
    }

    fn unknown(&self, mac: Mac) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() < STRANGERS && strangers.insert(mac) {
            tracing::info!(%mac, "a machine that is not registered asks for an address");
        }
    }
}

/// The node as the boot server knows it.
pub(crate) fn client(node: &Node) -> Client {
    Client {
        node: node.id,
        name: node.spec.name.clone(),
        mac: node.spec.mac,
        address: node.spec.address,
        arch: node.spec.arch,
        firmware: node.spec.firmware,
    }
}
