//! Images that nobody gets, since machines fail with them.

use super::want::Want;
use crate::catalogue::{Image, ImageStatus};
use crate::hardware::Arch;
use crate::world::World;

/// Why a member cannot have the image that it names, for people; none if no machine that suits it would have one that
/// is suspect.
pub(crate) fn suspicion(world: &World, want: &Want<'_>) -> Option<String> {
    let suits = |arch: Arch| {
        world.nodes.values().any(|node| node.in_service() && node.spec.arch == arch && want.suits(node))
    };
    let named = Arch::ALL.into_iter().filter_map(|arch| world.image_for(&want.member.image, arch));
    let mut suspects = named.filter(|image| image.status == ImageStatus::Suspect && suits(image.arch));
    suspects.next().map(|image| describe(world, image))
}

fn describe(world: &World, image: &Image) -> String {
    let failed = image.trust.failed_on.iter();
    let names: Vec<_> =
        failed.filter_map(|f| world.nodes.get(f.node)).map(|n| n.spec.name.as_str()).collect();
    format!(
        "image {:?} for {} is suspect, since it failed on {}: `hostler image clear` has it tried again",
        image.name,
        image.arch,
        names.join(", ")
    )
}
