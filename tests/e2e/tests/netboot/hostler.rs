//! Our server, for a room.

use super::room::Room;
use hostler_fleet::network::Ports;
use hostler_pxe::{Addresses, BootServer, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Our server on free ports of the room's server address. Stops when dropped.
pub(crate) struct Hostler {
    pub(crate) addresses: Addresses,
    pub(crate) ports: Ports,
    stop: CancellationToken,
    task: JoinSet<Result<(), hostler_pxe::Error>>,
}

impl Hostler {
    pub(crate) async fn start(room: &Arc<Room>) -> Self {
        let server = room.server();
        let settings = Settings {
            dhcp: std::net::SocketAddrV4::new(server, 0),
            tftp: vec![(server, 0).into()],
            http: (server, 0).into(),
            retry: Duration::from_secs(1),
            ..Settings::new(server)
        };
        let bound = BootServer::bind(settings, room.catalogue(), room.clone()).await.unwrap();
        let addresses = bound.addresses().clone();
        let ports = Ports::default().with(server, 67, addresses.dhcp.port()).with(
            server,
            69,
            addresses.tftp[0].port(),
        );
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(bound.run(stop.clone()));
        Self { addresses, ports, stop, task }
    }

    /// Stops it, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}
