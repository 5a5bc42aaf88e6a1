//! Applying one input to the world.
//!
//! * [`registration`]: making the registered machines equal to those given; [`admin`]: the administrator's hands;
//!   [`tenant`]: what tenants may have.
//! * [`drain`] and [`reserve`]: machines that are wanted for something else, now or at a time.
//! * [`lease`] is about requests, groups and their ends, [`deploy`] about where a machine of a group begins, [`check`]
//!   about what a request may say, [`extend`] about more time for them, [`ending`] about ends that come by themselves,
//!   [`preempt`] about those that give way, [`replace`] about machines that leave them, [`run`] about payloads on them.
//! * [`inrush`]: whose turn it is to be powered on, and how many may start at once.
//! * [`power`]: attempts, evidence from the network, the ladder.
//! * [`agent`]: enrolment and what agents report; [`prepare`]: inspection and wipe of
//!   [`disks`].
//! * [`trust`]: failures of deployments, and what they say of machines and images; proofs of machines.
//! * [`invitation`]: other controllers fetch the keys.
//! * [`unused`]: how many machines stay powered that nobody uses; [`rest`]: powering the others off; [`ahead`]: images that
//!   are written to those that are warm.
//! * [`liveness`]: silence, incidents, restarts of the controller, deadlines.

mod admin;
mod agent;
mod ahead;
mod check;
mod deploy;
mod disks;
mod drain;
pub(crate) use disks::written_disks;
mod ending;
mod extend;
mod inrush;
mod invitation;
mod lease;
mod liveness;
pub(crate) use liveness::is_working;
mod power;
mod preempt;
mod prepare;
mod registration;
mod replace;
mod reserve;
mod rest;
mod run;
mod set_aside;
mod tenant;
mod trust;
mod unused;

pub use lease::preview as preview_request;
pub use registration::preview as preview_apply;

use crate::input::{Input, Outcome, Refusal, Reply};
use crate::time::Timestamp;
use crate::world::World;

/// What every handler returns.
type Result = std::result::Result<Reply, Refusal>;

impl World {
    /// Applies one input that arrived at `now`. Time does not go back: an earlier `now` counts as the last one.
    ///
    /// What has to be stored is fetched with [`World::take_changes`], after one input or after many; effects may be
    /// carried out when it is stored.
    pub fn apply(&mut self, now: Timestamp, input: Input) -> Outcome {
        self.meta.now = self.meta.now.max(now);
        let reply = self.dispatch(input);
        if std::mem::take(&mut self.review_reservations) {
            self.mend_reservations();
        }
        if std::mem::take(&mut self.reschedule) {
            self.start_groups();
            self.preempt_for_the_urgent();
        }
        self.tend_unused();
        self.hand_out();
        Outcome { reply, effects: std::mem::take(&mut self.effects) }
    }

    fn dispatch(&mut self, input: Input) -> Result {
        match input {
            Input::Tick => self.on_tick(),
            Input::Started => self.on_started(),
            Input::ClockStepped { by_ms } => self.on_clock_step(by_ms),
            Input::Apply { author, nodes } => self.on_apply(&author, &nodes),
            Input::Admin { author, node, action } => self.on_admin(&author, &node, action),
            Input::Invite { author, name, valid_ms, with_password } => {
                self.on_invite(&author, name, valid_ms, with_password)
            }
            Input::Join(request) => self.on_join(request),
            Input::AddTenant { name } => self.on_add_tenant(name),
            Input::SetTenant { author, name, settings } => self.on_set_tenant(&author, &name, &settings),
            Input::Reserve { author, tenant, wanted, anyway } => {
                self.on_reserve(author, &tenant, wanted, anyway)
            }
            Input::EndReservation { author, tenant, name } => {
                self.on_end_reservation(&author, &tenant, &name)
            }
            Input::SetPool { author, name, limits } => self.on_set_pool(&author, name, limits),
            Input::AddImage { name, arch, content } => self.on_add_image(name, arch, content),
            Input::ClearImage { author, name, arch } => self.on_clear_image(&author, &name, arch),
            Input::RequestLease { tenant, key, spec } => self.on_request(tenant, key, spec),
            Input::ReleaseLease { lease, author, at_once } => self.on_release(lease, &author, at_once),
            Input::ExtendLease { lease, key, wanted, author } => self.on_extend(lease, key, wanted, author),
            Input::ReplaceMember { lease, key, node, why, author } => {
                self.on_replace(lease, key, &node, &why, &author)
            }
            Input::LeaseAbandoned { lease } => self.on_abandoned(lease),
            Input::StartRun { lease, key, spec } => self.on_start_run(lease, key, spec),
            Input::StopRun { run, author } => self.on_stop_run(run, &author),
            Input::Power { node, boot, result } => self.on_power(node, boot, result),
            Input::Network { node, evidence, began, detail } => {
                self.on_network(node, evidence, began, &detail)
            }
            Input::Enrol { boot, node, mac, address, key } => self.on_enrol(boot, node, mac, address, key),
            Input::Refused { node, kind, message } => self.on_refused(node, &kind, message),
            Input::Agent { node, boot, profile, report } => self.on_agent(node, boot, profile, report),
        }
    }
}

/// The answer when the numbers of some kind have run out.
fn exhausted() -> Refusal {
    Refusal::Conflict("the controller has given out all its ids of this kind".into())
}
