//! How a simulated controller is set up.

use hostler_bmc::{CipherSuite, Privilege, Secret, UserName};
use std::time::Duration;

/// The settings that an administrator made. Wrong credentials are made here as well.
#[derive(Clone, Debug)]
pub struct BmcConfig {
    /// The one account.
    pub user: UserName,
    /// Of the account.
    pub password: Secret,
    /// The second key, if one is set.
    pub kg: Option<Secret>,
    /// The highest level that the account may have.
    pub limit: Privilege,
    /// What is offered.
    pub suites: Vec<CipherSuite>,
    /// Of the managed system, in the order in which it is sent.
    pub guid: [u8; 16],
    /// How many sessions there can be, half-open ones included.
    pub slots: usize,
    /// After which silence a session is forgotten.
    pub idle: Duration,
}

impl BmcConfig {
    /// An administrator's account on a controller with 16 slots that offers all suites.
    #[must_use]
    pub fn new(user: UserName, password: Secret, guid: [u8; 16]) -> Self {
        Self {
            user,
            password,
            kg: None,
            limit: Privilege::Administrator,
            suites: CipherSuite::ALL.to_vec(),
            guid,
            slots: 16,
            idle: Duration::from_secs(60),
        }
    }
}
