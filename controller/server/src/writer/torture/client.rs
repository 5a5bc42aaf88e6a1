//! Clients who remember what they were told.

use crate::writer::{Inbox, SubmitError};
use hostler_core::course::Terms;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::{LeaseSpec, Member};
use hostler_core::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What each asks for.
pub(super) const REQUESTS: usize = 12;

/// Somebody who asks for one thing after the other, and asks again until told.
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) told: Vec<Reply>,
}

impl Client {
    /// The third of each three gives back what the second asked for.
    fn request(&self) -> Input {
        let (client, number) = (self.number, self.told.len());
        match (number % 3, self.told.last()) {
            (1, Some(Reply::Tenant(tenant))) => {
                Input::RequestLease { tenant: *tenant, key: format!("{client}-{number}"), spec: spec() }
            }
            (2, Some(Reply::Lease(lease))) => {
                Input::ReleaseLease { lease: *lease, author: format!("client{client}"), at_once: false }
            }
            _ => Input::AddTenant { name: format!("t{client}-{number}") },
        }
    }

    /// Until all is done, or the controller ends.
    pub(super) async fn go_on(&mut self, inbox: &Inbox) {
        while self.told.len() < REQUESTS {
            match inbox.submit(self.request()).await {
                Ok(reply) => self.told.push(reply),
                Err(SubmitError::NotStored | SubmitError::Unavailable) => {}
                Err(SubmitError::Closed | SubmitError::Elsewhere(_)) => return,
                Err(SubmitError::Refused(refusal)) => panic!("{:?}: {refusal}", self.request()),
            }
        }
    }

    /// What it was told is so.
    pub(super) fn check(
        &self,
        world: &World,
        leases: &mut BTreeSet<LeaseId>,
        tenants: &mut BTreeMap<TenantId, String>,
    ) {
        for (number, reply) in self.told.iter().enumerate() {
            match (number % 3, reply) {
                (0, Reply::Tenant(id)) => {
                    let name = format!("t{}-{number}", self.number);
                    assert_eq!(world.tenant_named(&name).map(|t| t.id), Some(*id));
                    assert_eq!(tenants.insert(*id, name), None, "one number for two tenants");
                }
                (1, Reply::Lease(id)) => {
                    let lease = world.leases.get(*id).unwrap();
                    assert_eq!(lease.key, format!("{}-{number}", self.number));
                    assert!(leases.insert(*id), "one number for two leases");
                    assert!(
                        lease.is_closed() || self.told.len() == number + 1,
                        "it was given back: {lease:?}"
                    );
                }
                (2, Reply::Lease(_)) => {}
                other => panic!("an answer to something else: {other:?}"),
            }
        }
    }
}

fn spec() -> LeaseSpec {
    let member = Member {
        role: "node".into(),
        count: 1,
        at_most: None,
        arch: BTreeSet::new(),
        pool: None,
        nodes: BTreeSet::new(),
        image: "demo".into(),
        constraint: None,
    };
    LeaseSpec {
        members: vec![member],
        groupings: Vec::new(),
        duration_ms: 3_600_000,
        max_wait_ms: 3_600_000,
        purpose: String::new(),
        ssh_keys: Vec::new(),
        terms: Terms::default(),
    }
}
