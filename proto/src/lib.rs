//! The wire contract of Hostler: one package per audience.
//!
//! * [`lease`]: CI jobs ask for machines, run payloads, give the machines back.
//! * [`node`]: administrators register and look after hardware.
//! * [`agent`]: the agent on each machine and the controller.
//! * [`controller`]: about the controllers themselves, of which several may share one database.
//! * [`ramdisk`]: the builder of a ramdisk and the agent in it.
//!
//! [`rotation`] is how those who ask find the controller that leads.
//!
//! The `.proto` files under `proto/` are the reference; their comments become the documentation here.

mod elsewhere;
pub mod rotation;

/// The version of [`agent`] that this build speaks. A controller accepts this one and the one before it.
pub const AGENT_PROTOCOL: u32 = 2;

/// True if a controller of this build speaks an agent's protocol `version`.
#[must_use]
pub const fn accepts_agent_protocol(version: u32) -> bool {
    version == AGENT_PROTOCOL || version == AGENT_PROTOCOL - 1
}

macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $proto:literal) => {
        $(#[$doc])*
        pub mod $name {
            /// Version 1.
            #[expect(missing_docs, reason = "generated; documented in the .proto file")]
            pub mod v1 {
                // Whether generated code has `allow` attributes depends on whether the package has a service.
                #![allow(
                    clippy::allow_attributes,
                    clippy::allow_attributes_without_reason,
                    reason = "generated"
                )]
                tonic::include_proto!($proto);
            }
        }
    };
}

package!(
    /// What controllers say about themselves: `hostler.controller.v1`.
    controller, "hostler.controller.v1");
package!(
    /// What a CI job says: `hostler.lease.v1`.
    lease, "hostler.lease.v1");
package!(
    /// What an administrator says: `hostler.node.v1`.
    node, "hostler.node.v1");
package!(
    /// What an agent says: `hostler.agent.v1`.
    agent, "hostler.agent.v1");
/// What is in a ramdisk: `hostler.ramdisk.v1`. It has no service, so that what is generated allows itself nothing.
pub mod ramdisk {
    /// Version 1.
    #[expect(missing_docs, reason = "generated; documented in the .proto file")]
    pub mod v1 {
        tonic::include_proto!("hostler.ramdisk.v1");
    }
}

/// Where the index and the kernel modules are in a ramdisk; see [`ramdisk`].
pub const RAMDISK_MODULES: &str = "/lib/hostler/modules";
