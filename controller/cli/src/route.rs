//! Which of several controllers is asked. One of them leads; one that does not says where to ask instead, and one that
//! is gone says nothing.

use crate::connector::{self, Address, Patience};
use hostler_proto::controller::v1::Elsewhere;
use hostler_proto::rotation::{Rotation, Turn};
use rustls::ClientConfig;
use std::cell::{Cell, RefCell};
use tonic::Status;
use tonic::transport::Channel;

/// The way to the controllers.
#[derive(Debug)]
pub(crate) struct Route {
    tls: ClientConfig,
    rotation: RefCell<Rotation<Address>>,
    /// To the one that is asked now.
    channel: RefCell<Channel>,
    /// Something was heard.
    was_heard: Cell<bool>,
}

impl Route {
    /// To the first of them, as long as nothing speaks against it.
    pub(crate) fn new(first: Address, others: Vec<Address>, tls: ClientConfig) -> Self {
        let rotation = Rotation::new(first, others);
        let channel = RefCell::new(channel(&rotation, &tls));
        Self { tls, rotation: RefCell::new(rotation), channel, was_heard: Cell::new(false) }
    }

    /// To the controller that is asked now.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.borrow().clone()
    }

    /// Of the controller that is asked now.
    pub(crate) fn address(&self) -> String {
        self.rotation.borrow().now().to_string()
    }

    /// An answer came.
    pub(crate) fn heard(&self) {
        self.was_heard.set(true);
        self.rotation.borrow_mut().heard();
    }

    /// True if an answer ever came.
    pub(crate) fn was_heard(&self) -> bool {
        self.was_heard.get()
    }

    /// An attempt ended with this: another controller may be the one to ask.
    pub(crate) fn turn(&self, status: &Status) -> Turn {
        let mut rotation = self.rotation.borrow_mut();
        let before = rotation.now().clone();
        let turn = match Elsewhere::of(status) {
            Some(leader) => {
                self.was_heard.set(true);
                rotation.sent_on(Address::parse(&leader.address).ok())
            }
            // One that leads, as far as it knows, may be cut off from the database, and another one lead.
            None => rotation.lost(),
        };
        if *rotation.now() != before {
            self.channel.replace(channel(&rotation, &self.tls));
        }
        turn
    }
}

/// To the one that is asked now.
fn channel(rotation: &Rotation<Address>, tls: &ClientConfig) -> Channel {
    let is_only = rotation.others().next().is_none();
    let patience = if is_only { Patience::Long } else { Patience::Short };
    connector::channel(rotation.now().clone(), tls.clone(), patience)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use std::io;
    use std::sync::Arc;

    fn route(addresses: &[&str]) -> Route {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut addresses: Vec<_> = addresses.iter().map(|a| Address::parse(a).unwrap()).collect();
        let first = addresses.remove(0);
        Route::new(first, addresses, tls)
    }

    fn broken() -> Status {
        Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
    }

    fn elsewhere(address: &str) -> Status {
        Elsewhere { address: address.to_owned(), ..Elsewhere::default() }.status("stands by")
    }

    /// What happens, what is done, and who is asked then.
    #[tokio::test]
    async fn the_leader_is_found() {
        let [a, b, c] = ["https://a:1", "https://b:1", "https://c:1"];
        let away = Status::unavailable("the store is away");
        let cases = [
            ("another one is asked at once", vec![a, b], vec![(broken(), Turn::AtOnce, b)]),
            ("the leader is named", vec![a], vec![(elsewhere(c), Turn::AtOnce, c)]),
            ("nobody leads", vec![a, b], vec![(elsewhere(""), Turn::Later, a)]),
            ("what is named makes no sense", vec![a], vec![(elsewhere("x"), Turn::Later, a)]),
            (
                "the leader itself is not ready, and nobody else leads",
                vec![a, b],
                vec![(away.clone(), Turn::AtOnce, b), (elsewhere(a), Turn::Later, a)],
            ),
            ("the only one is not ready", vec![a], vec![(away, Turn::Later, a)]),
        ];
        for (case, addresses, turns) in cases {
            let route = route(&addresses);
            for (status, turn, address) in turns {
                assert_eq!((route.turn(&status), route.address().as_str()), (turn, address), "{case}");
            }
        }
    }
}
