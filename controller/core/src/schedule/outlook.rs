//! When a request that comes now would probably start.

use super::scene::Scene;
use crate::ids::TenantId;
use crate::lease::LeaseSpec;
use crate::time::Timestamp;
use crate::world::World;

/// So many answers may one question cost.
const MOST_ANSWERS: usize = 24;

/// What would become of requests that nobody has made.
pub(crate) struct Outlook<'w> {
    world: &'w World,
    scene: Scene,
    tenant: TenantId,
    left: usize,
}

impl<'w> Outlook<'w> {
    /// For requests of this tenant; for somebody who never had anything if there is none.
    pub(crate) fn of(world: &'w World, tenant: Option<TenantId>) -> Self {
        let scene = Scene::of(world);
        Self { world, scene, tenant: tenant.unwrap_or(TenantId(0)), left: MOST_ANSWERS }
    }

    /// When the request would probably start; none if that cannot be said, or if too much was asked already.
    pub(crate) fn start(&mut self, spec: &LeaseSpec) -> Option<Timestamp> {
        self.left = self.left.checked_sub(1)?;
        let now = self.world.meta.now;
        let earliest = spec.terms.not_before.unwrap_or(now);
        self.scene.foresee(self.world, self.tenant, spec, now).map(|start| start.max(earliest))
    }
}
