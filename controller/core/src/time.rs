//! Time as the core knows it: given with every input, never read.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC, by the controller's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The later moment; saturates at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// How long each wait may take before the node goes up the ladder. Real firmware takes minutes to reach the network;
/// the defaults are for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// From the order of a power attempt to the BMC's answer, in milliseconds.
    pub power_ms: u64,
    /// From the BMC's answer (or its absence) to the first packet from the machine's firmware.
    pub firmware_ms: u64,
    /// From the first packet to the ramdisk agent's hello. The one-time token expires with it.
    pub enrol_ms: u64,
    /// For one inspection.
    pub inspect_ms: u64,
    /// For one wipe of all disks, besides the time that it takes to write them from beginning to end.
    pub wipe_ms: u64,
    /// For writing one image.
    pub deploy_ms: u64,
    /// From the order to start the deployed system to its agent's hello.
    pub deployed_ms: u64,
    /// For an administrator to approve a first wipe.
    pub approval_ms: u64,
    /// Silence of an agent that counts as lost.
    pub silence_ms: u64,
    /// How long the ladder of a pool waits for the network after too many of its machines went silent together.
    pub incident_ms: u64,
    /// How long a closed lease is remembered, and with it its idempotency key, unless there are too many of them.
    pub remember_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        const S: u64 = 1_000;
        Self {
            power_ms: 120 * S,
            firmware_ms: 600 * S,
            enrol_ms: 600 * S,
            inspect_ms: 300 * S,
            wipe_ms: 24 * 3600 * S,
            deploy_ms: 2 * 3600 * S,
            deployed_ms: 900 * S,
            approval_ms: 14 * 24 * 3600 * S,
            silence_ms: 60 * S,
            incident_ms: 24 * 3600 * S,
            remember_ms: 3600 * S,
        }
    }
}
