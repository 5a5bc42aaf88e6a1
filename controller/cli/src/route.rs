//! Which of several controllers is asked. One of them leads; one that does not says where to ask instead, and one that
//! is gone says nothing.

use crate::connector::{self, Address};
use crate::status;
use hostler_proto::controller::v1::Elsewhere;
use rustls::ClientConfig;
use std::cell::{Cell, Ref, RefCell};
use tonic::Status;
use tonic::transport::Channel;

/// The way to the controllers.
#[derive(Debug)]
pub(crate) struct Route {
    tls: ClientConfig,
    known: RefCell<Vec<Address>>,
    now: RefCell<(Address, Channel)>,
    /// Turns since something was heard of a leader.
    turns: Cell<usize>,
    /// Something was heard.
    was_heard: Cell<bool>,
}

/// What to do after an attempt that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Ask at once: it is another one now, which was not asked in this round.
    AtOnce,
    /// Ask after a pause.
    Later,
}

impl Route {
    /// To the first of `addresses`, which is not empty, as long as nothing speaks against it.
    pub(crate) fn new(first: Address, others: Vec<Address>, tls: ClientConfig) -> Self {
        let now = (first.clone(), connector::channel(first.clone(), tls.clone()));
        let mut known = vec![first];
        known.extend(others);
        known.dedup();
        Self {
            tls,
            known: RefCell::new(known),
            now: RefCell::new(now),
            turns: Cell::new(0),
            was_heard: Cell::new(false),
        }
    }

    /// To the controller that is asked now.
    pub(crate) fn channel(&self) -> Channel {
        self.now.borrow().1.clone()
    }

    /// Of the controller that is asked now.
    pub(crate) fn address(&self) -> String {
        let now = Ref::map(self.now.borrow(), |(address, _)| address);
        now.to_string()
    }

    /// An answer came.
    pub(crate) fn heard(&self) {
        self.was_heard.set(true);
        self.turns.set(0);
    }

    /// True if an answer ever came.
    pub(crate) fn was_heard(&self) -> bool {
        self.was_heard.get()
    }

    /// An attempt ended with this: another controller may be the one to ask.
    pub(crate) fn turn(&self, status: &Status) -> Turn {
        let before = self.address();
        match Elsewhere::of(status) {
            Some(leader) => {
                self.was_heard.set(true);
                if let Ok(address) = Address::parse(&leader.address) {
                    self.ask(address);
                }
            }
            None if status::is_local(status) => self.ask_next(),
            None => {}
        }
        let round = self.known.borrow().len();
        self.turns.set(self.turns.get() + 1);
        // In the midst of a change of leaders two may name each other.
        if self.address() != before && self.turns.get() < round { Turn::AtOnce } else { Turn::Later }
    }

    fn ask(&self, address: Address) {
        if !self.known.borrow().contains(&address) {
            self.known.borrow_mut().push(address.clone());
        }
        if self.now.borrow().0 != address {
            let channel = connector::channel(address.clone(), self.tls.clone());
            self.now.replace((address, channel));
        }
    }

    fn ask_next(&self) {
        let known = self.known.borrow();
        let now = self.now.borrow().0.clone();
        let place = known.iter().position(|address| *address == now).unwrap_or(0);
        let next = known[(place + 1) % known.len()].clone();
        drop(known);
        self.ask(next);
    }
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
            ("the only one is gone", vec![a], vec![(broken(), Turn::Later, a)]),
            ("the other one is asked at once", vec![a, b], vec![(broken(), Turn::AtOnce, b)]),
            ("both are gone", vec![a, b], vec![(broken(), Turn::AtOnce, b), (broken(), Turn::Later, a)]),
            ("the leader is named", vec![a, b], vec![(elsewhere(b), Turn::AtOnce, b)]),
            ("one that was not known", vec![a], vec![(elsewhere(c), Turn::AtOnce, c)]),
            ("nobody leads", vec![a, b], vec![(elsewhere(""), Turn::Later, a)]),
            (
                "they name each other",
                vec![a, b],
                vec![(elsewhere(b), Turn::AtOnce, b), (elsewhere(a), Turn::Later, a)],
            ),
            ("what is named makes no sense", vec![a], vec![(elsewhere("x"), Turn::Later, a)]),
            ("the leader itself is not ready", vec![a, b], vec![(away, Turn::Later, a)]),
        ];
        for (case, addresses, turns) in cases {
            let route = route(&addresses);
            for (status, turn, address) in turns {
                assert_eq!((route.turn(&status), route.address().as_str()), (turn, address), "{case}");
            }
        }
    }
}
