//! Tenants and administrators: what they ask for, sensible or not.
//!
//! A new kind of input is a function in [`tenants`], [`administrators`] or [`controllers`] and a line in [`WISHES`]; how often it has to
//! happen is said in [`crate::coverage`].

mod administrators;
mod controllers;
mod tenants;

use crate::lab::Lab;
use crate::machine::BROKEN;
use crate::random::Random;
use hostler_core::catalogue::{Content as ImageContent, Kind};
use hostler_core::hardware::Arch;
use hostler_core::input::Input;
use hostler_core::node::Node;
use hostler_core::tenancy::{Band, Setting};
use hostler_core::world::World;

/// Tenants and administrators.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// For keys and digests that were never used before.
    serial: u64,
    /// What was asked for, to be asked again.
    asked: Vec<Input>,
}

const ADMIN: &str = "ada";

/// What somebody sees who wants something.
struct Scene<'a> {
    people: &'a mut People,
    world: &'a World,
    lab: &'a mut Lab,
    random: &'a mut Random,
}

/// Somebody's wish; none if there is nothing to be wished for.
type Wish = fn(&mut Scene<'_>) -> Option<Input>;

/// How often each wish comes up.
const WISHES: &[(u64, Wish)] = &[
    (35, tenants::request),
    (22, tenants::release),
    (6, tenants::extend),
    (14, tenants::replace),
    (4, tenants::abandon),
    (25, tenants::run),
    (3, tenants::stop),
    (5, tenants::again),
    (8, administrators::approve),
    (20, administrators::repair),
    (2, administrators::drain),
    (1, administrators::reserve),
    (1, administrators::end_reservation),
    (9, administrators::resume),
    (1, administrators::retire),
    (1, administrators::power),
    (2, administrators::image),
    (12, administrators::clear),
    (1, administrators::tenant),
    (3, administrators::allow),
    (12, administrators::register),
    (2, administrators::bound),
    (1, controllers::invite),
    (2, controllers::join),
];

impl Scene<'_> {
    /// A number that was never used before.
    const fn serial(&mut self) -> u64 {
        self.people.serial()
    }

    /// The same, to be asked again later.
    fn ask(&mut self, input: Input) -> Input {
        self.people.asked.push(input.clone());
        input
    }
}

impl People {
    /// The first day: tenants, images, machines.
    pub(crate) fn found(&mut self, lab: &Lab, random: &mut Random) -> Vec<Input> {
        let mut inputs: Vec<_> =
            ["kernel", "network"].map(|name| Input::AddTenant { name: name.into() }).into();
        let (author, name) = (ADMIN.to_owned(), "kernel".to_owned());
        inputs.push(Input::SetTenant { author, name, settings: vec![Setting::Priority(Band::Admin)] });
        for arch in Arch::ALL {
            for name in ["fedora", "debian"] {
                if name == "fedora" || random.chance(500) {
                    inputs.push(image_of(self.serial(), name, arch, random));
                }
            }
        }
        let late = random.below(3);
        let nodes: Vec<_> = (0..lab.machines.len())
            .filter(|i| *i as u64 >= late)
            .map(|i| administrators::mistaken(lab.registration(i), random))
            .collect();
        inputs.push(Input::Apply { author: ADMIN.into(), nodes });
        inputs
    }

    /// Somebody wants something.
    pub(crate) fn act(&mut self, world: &World, lab: &mut Lab, random: &mut Random) -> Option<Input> {
        let wish = random.weighted(WISHES);
        wish(&mut Scene { people: self, world, lab, random })
    }

    /// An administrator who puts right what is wrong, one node at a time.
    pub(crate) fn tidy(world: &World, random: &mut Random) -> Option<Input> {
        let waiting: Vec<_> = world.nodes.values().filter_map(administrators::tidying).collect();
        let clear = |random: &mut Random| administrators::cleared(world, random);
        random.pick(&waiting).cloned().or_else(|| clear(random)).or_else(|| Self::unreserve(world))
    }

    /// Sets machines aside no longer.
    pub(crate) fn unreserve(world: &World) -> Option<Input> {
        administrators::unreserve(world)
    }

    /// The registration as it should be.
    pub(crate) fn correct(lab: &Lab) -> Input {
        let nodes = (0..lab.machines.len()).map(|i| lab.registration(i)).collect();
        Input::Apply { author: ADMIN.into(), nodes }
    }

    const fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

fn image_of(serial: u64, name: &str, arch: Arch, random: &mut Random) -> Input {
    let mark = if random.chance(200) { BROKEN } else { "0" };
    let mut content = ImageContent::raw(format!("{mark}{serial:063x}"), 2);
    if random.chance(300) {
        content.kind = Kind::Diskless { kernel_bytes: 1, arguments: String::new() };
    }
    Input::AddImage { name: name.into(), arch, content }
}

fn some_node<'a>(world: &'a World, random: &mut Random) -> Option<&'a Node> {
    let nodes: Vec<_> = world.nodes.values().collect();
    random.pick(&nodes).copied()
}
