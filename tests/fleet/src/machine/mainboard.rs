//! What the power does.

use super::life::Life;
use super::plug::Plug;
use super::stage::Stage;
use crate::chassis::{Chassis, Power};
use std::sync::Arc;
use tokio::sync::watch;

/// Runs a life whenever the chassis has power, a new one after each restart.
pub(super) struct Mainboard {
    pub(super) chassis: Chassis,
    pub(super) plug: Arc<Plug>,
    pub(super) life: Life,
}

impl Mainboard {
    pub(super) async fn run(self) {
        let mut power = self.chassis.watch();
        let mut starts = 0;
        loop {
            // The sender lives as long as the chassis, which is here.
            let Ok(start) = power.wait_for(|p| p.on && p.starts != starts).await.map(|p| *p) else { return };
            starts = start.starts;
            self.plug.power(true);
            let mut life = Box::pin(self.life.live());
            tokio::select! {
                never = &mut life => match never {},
                () = ends(&mut power, start) => {}
            }
            // In this order: nothing that the life sends when it is dropped gets out, as with a real power cut.
            self.plug.power(false);
            drop(life);
            self.life.host.lose_power().await;
            self.life.enter(Stage::Off);
        }
    }
}

/// Returns when the power is cut, or was in the meantime.
async fn ends(power: &mut watch::Receiver<Power>, start: Power) {
    // As above.
    let _ = power.wait_for(|p| !p.on || p.starts != start.starts).await;
}
