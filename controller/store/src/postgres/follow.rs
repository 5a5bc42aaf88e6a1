//! Reading what another controller writes.

use super::link::Link;
use super::{read, write};
use crate::load;
use crate::table;
use crate::url::PostgresUrl;
use crate::{BatchNumber, Loaded, StoreError};
use hostler_core::ids::NodeId;
use hostler_core::node::Node;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long one row may take. A machine that boots waits for it.
const ROW: Duration = Duration::from_millis(1_500);

/// A reader that takes no lock and writes nothing.
pub struct Follower {
    url: PostgresUrl,
    link: Option<Link>,
}

impl Follower {
    /// Of this database. Connects when it is first asked.
    #[must_use]
    pub fn new(url: &PostgresUrl) -> Self {
        Self { url: url.clone(), link: None }
    }

    /// The last batch that was written.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub fn last(&mut self) -> Result<BatchNumber, StoreError> {
        self.with(write::found)
    }

    /// Everything, as of one moment.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn load(&mut self) -> Result<Loaded, StoreError> {
        self.with(read::load)
    }

    /// One node as it is now.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub fn node(&mut self, id: NodeId) -> Result<Option<Node>, StoreError> {
        let key = i64::from(id.0);
        let sql = "SELECT body FROM node WHERE id = $1";
        let row = self.with(|link| link.run(ROW, link.client().query_opt(sql, &[&key])))?;
        row.map(|row| load::parse(&table::NODE, key, row.get(0))).transpose()
    }

    /// The node in service for which this address is reserved, as it is now. One that was retired may have had it before.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub fn node_at(&mut self, address: Ipv4Addr) -> Result<Option<Node>, StoreError> {
        let address = address.to_string();
        let sql = "SELECT id, body FROM node
                   WHERE state <> 'retired' AND body::json #>> '{spec,address}' = $1";
        let row = self.with(|link| link.run(ROW, link.client().query_opt(sql, &[&address])))?;
        row.map(|row| load::parse(&table::NODE, row.get(0), row.get(1))).transpose()
    }

    /// Uses the connection, and a new one if the old one was lost. It is not used again after an error.
    fn with<T>(&mut self, work: impl Fn(&Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(link) = self.link.take() {
            match work(&link) {
                Ok(done) => {
                    self.link = Some(link);
                    return Ok(done);
                }
                Err(error) if error.is_unavailable() => {}
                Err(error) => return Err(error),
            }
        }
        let link = Link::connect_within(&self.url, ROW)?;
        let done = work(&link)?;
        self.link = Some(link);
        Ok(done)
    }
}
