//! Who wants to be a controller too.

use super::{ADMIN, Scene};
use hostler_core::input::{Input, JoinRequest};
use hostler_core::time::Timestamp;
use std::net::Ipv4Addr;

/// No history has more invitations.
const MOST: u32 = 1_000;

pub(super) fn invite(scene: &mut Scene<'_>) -> Option<Input> {
    let name = scene.random.weighted(&[(6, "lab-b"), (3, "lab-c"), (1, "No Name")]).into();
    let valid_ms = scene.random.weighted(&[(1, 0), (4, 30_000), (4, 600_000)]);
    Some(Input::Invite { author: ADMIN.into(), name, valid_ms, with_password: scene.random.chance(500) })
}

/// Somebody has a code: the one who was invited, one who found it, or one who made it up. Now and then the answer is lost
/// and the same process asks again.
pub(super) fn join(scene: &mut Scene<'_>) -> Option<Input> {
    let known: Vec<_> = (1..MOST).filter_map(|number| scene.world.meta.invitations.get(number)).collect();
    let (random, made_up) = (&mut *scene.random, (1, "lab-b".to_owned(), Timestamp(2_000_000)));
    let found = random.pick(&known).filter(|_| random.chance(900));
    let (number, name, expires) = found.map_or(made_up, |i| (i.number, i.name.clone(), i.expires));
    let (process, address) = random.weighted(&[(3, ("one", 2)), (1, ("other", 3))]);
    let address = Ipv4Addr::new(10, 0, 0, address).into();
    let request = JoinRequest { number, name, expires, address, by: process.into() };
    Some(scene.ask(Input::Join(request)))
}
