//! Invitations: who may fetch what makes a controller, its keys among it. Each is good for one host, once, and not for
//! long. The code that proves one is a MAC that the shell makes, and is not kept.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// So many may be open.
pub(crate) const MOST: usize = 32;

/// The shortest time that one is good for.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// The longest time that one is good for.
pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// Those that have not expired, and some that have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitations {
    /// The last number given out.
    last: u32,
    known: Vec<Invitation>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Its number, which no other one has.
    pub number: u32,
    /// What the controller is to be called.
    pub name: String,
    /// Until when it is good.
    pub expires: Timestamp,
    /// It is given the password of the store as well.
    pub with_password: bool,
    /// Who has used it.
    pub used: Option<Use>,
}

/// That an invitation was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Digest of what only that process knows: if the answer is lost, it may ask again.
    pub by: String,
    /// From where.
    pub from: IpAddr,
    /// When.
    pub at: Timestamp,
}

impl Invitations {
    /// True as long as there never was one.
    #[must_use]
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// The one with this number, unless it was forgotten.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Invitation> {
        self.known.iter().find(|invitation| invitation.number == number)
    }

    /// Another one; none if there are too many. Expired ones are forgotten.
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        name: String,
        expires: Timestamp,
        with_password: bool,
    ) -> Option<u32> {
        self.known.retain(|invitation| invitation.expires > now);
        if self.known.len() >= MOST {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.known.push(Invitation { number: self.last, name, expires, with_password, used: None });
        Some(self.last)
    }

    /// Marks it as used, once; the same user may come again.
    ///
    /// # Errors
    /// Why it is not good.
    pub(crate) fn redeem(&mut self, number: u32, wanted: (&str, Timestamp), by: Use) -> Result<(), String> {
        let (name, expires) = wanted;
        let known = self.known.iter_mut().find(|known| known.number == number);
        let Some(known) = known.filter(|known| known.name == name && known.expires == expires) else {
            return Err("it has expired, or is of before a backup was restored".into());
        };
        match &known.used {
            Some(used) if used.by == by.by => Ok(()),
            Some(used) => Err(format!("it was used from {}, {}", used.from, used.at.utc())),
            None if known.expires <= by.at => Err(format!("it has expired, {}", known.expires.utc())),
            None => {
                known.used = Some(by);
                Ok(())
            }
        }
    }

    /// Forgets all, and leaves numbers out: which of them were used since a backup was made is not known.
    pub(crate) fn leave_out(&mut self, count: u32) {
        self.known.clear();
        self.last = self.last.saturating_add(count);
    }
}
