//! The name in a certificate: a URI among the subject's alternative names.

use hostler_core::ids::{BootId, NodeId};
use hostler_core::input::Profile;
use std::fmt;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Who a certificate speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// An administrator.
    Admin(String),
    /// A tenant.
    Tenant(String),
    /// An agent of one boot of one node.
    Agent { node: NodeId, boot: BootId, profile: Profile },
}

impl Identity {
    /// Reads the identity out of a certificate that was verified before. `None` if it has none of ours.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Self::parse(uri),
            _ => None,
        })
    }

    fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("hostler://")?;
        let mut parts = path.split('/');
        let identity = match (parts.next()?, parts.next()?) {
            ("admin", name) => Self::Admin(name.to_owned()),
            ("tenant", name) => Self::Tenant(name.to_owned()),
            ("agent", node) => Self::Agent {
                node: NodeId(node.parse().ok()?),
                boot: BootId(parts.next()?.parse().ok()?),
                profile: match parts.next()? {
                    "ramdisk" => Profile::Ramdisk,
                    "tenant" => Profile::Tenant,
                    _ => return None,
                },
            },
            _ => return None,
        };
        parts.next().is_none().then_some(identity)
    }
}

/// The URI.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin(name) => write!(f, "hostler://admin/{name}"),
            Self::Tenant(name) => write!(f, "hostler://tenant/{name}"),
            Self::Agent { node, boot, profile } => {
                write!(f, "hostler://agent/{node}/{boot}/{}", profile.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_survive_the_way_through_a_uri() {
        for identity in [
            Identity::Admin("ada".into()),
            Identity::Tenant("ci-kernel".into()),
            Identity::Agent { node: NodeId(3), boot: BootId(9), profile: Profile::Tenant },
        ] {
            assert_eq!(Identity::parse(&identity.to_string()), Some(identity));
        }
    }

    #[test]
    fn nothing_else_is_an_identity() {
        for uri in [
            "",
            "hostler://",
            "hostler://root/x",
            "spiffe://lab/node/1",
            "hostler://admin/a/b",
            "hostler://agent/1/2/root",
            "hostler://agent/1/2",
            "hostler://agent/-1/2/tenant",
        ] {
            assert_eq!(Identity::parse(uri), None, "{uri}");
        }
    }
}
