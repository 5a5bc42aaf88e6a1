//! What a lease asks for, held against machines: which machine suits which member, and which group would be whole.

mod describe;
mod differ;
mod feasible;
mod fit;
mod matching;
mod preview;
mod relax;
mod scope;
mod search;
mod suspect;
mod want;

pub(crate) use describe::describe;
pub(crate) use feasible::possible;
pub use feasible::satisfiable;
pub(crate) use fit::Request;
pub use preview::{Preview, RolePreview, preview};
pub use relax::Relaxation;
pub(crate) use scope::admits;
pub(crate) use search::Search;
pub(crate) use suspect::suspicion;
pub(crate) use want::{Want, can_hold};
