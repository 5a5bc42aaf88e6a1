//! Other controllers are invited, and fetch the keys.

use super::Result;
use super::registration::check_word;
use crate::event::Severity;
use crate::input::{JoinRequest, Refusal, Reply};
use crate::invitation::{LONGEST, MOST, SHORTEST, Use};
use crate::world::World;
use std::time::Duration;

impl World {
    pub(super) fn on_invite(
        &mut self,
        author: &str,
        name: String,
        valid_ms: u64,
        with_password: bool,
    ) -> Result {
        check_word("controller name", &name, "-.")?;
        let valid = Duration::from_millis(valid_ms);
        if !(SHORTEST..=LONGEST).contains(&valid) {
            return Err(Refusal::Invalid("an invitation is good for one second to one day".into()));
        }
        let now = self.meta.now;
        let expires = now.after(valid);
        let number =
            self.meta.invitations.add(now, name.clone(), expires, with_password).ok_or_else(|| {
                Refusal::Conflict(format!("{MOST} invitations are open: wait until one has expired"))
            })?;
        let until = expires.utc();
        let message = format!("controller {name} may join until {until}: invitation {number} of {author}");
        self.tell(Severity::Info, "controller-invited", (), message);
        Ok(Reply::Invitation(number))
    }

    pub(super) fn on_join(&mut self, request: JoinRequest) -> Result {
        let JoinRequest { number, name, expires, address, by } = request;
        let used = Use { by, from: address, at: self.meta.now };
        let is_again = self.meta.invitations.get(number).is_some_and(|known| known.used.is_some());
        match self.meta.invitations.redeem(number, (&name, expires), used) {
            Ok(()) => {
                if !is_again {
                    let message =
                        format!("{address} fetched the keys as controller {name}: invitation {number}");
                    self.tell(Severity::Info, "controller-joined", (), message);
                }
                Ok(Reply::Invitation(number))
            }
            Err(why) => {
                let message =
                    format!("invitation {number} for controller {name} from {address} refused: {why}");
                self.tell(Severity::Incident, "join-refused", (), message);
                Err(Refusal::Forbidden(format!("the code is not good: {why}")))
            }
        }
    }
}
