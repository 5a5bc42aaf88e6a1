//! What a request may ask of a machine, as text and as a tree, and what that says of a machine.
//!
//! ```text
//! constraint = all *("or" all)
//! all        = one *("and" one)
//! one        = "not" one | "(" constraint ")" | comparison
//! comparison = ATTRIBUTE OPERATOR value          cpu.cores >= 16
//! value      = NUMBER [UNIT] | WORD | STRING     64 GiB, false, "EPYC"
//!
//! grouping   = ("same" | "equal" | "different") ATTRIBUTE ["of" ROLE *("," ROLE)]
//! ```
//!
//! The names are those of tmt's hardware specification where it has them; [`Attribute`] lists them. A tree is stored and
//! sent as its text: what is printed is understood again, and is the same tree.

mod attribute;
mod error;
mod evaluate;
mod facts;
mod grouping;
mod lexer;
mod operator;
mod parser;
mod pattern;
mod tree;
mod unit;
mod value;

pub(crate) use attribute::is_label;
pub use attribute::{Attribute, Kind};
pub use error::SyntaxError;
pub use evaluate::Verdict;
pub use facts::Fact;
pub use grouping::{Grouping, Likeness};
pub use operator::Operator;
pub use parser::{MAX_BYTES, MAX_DEPTH, MAX_TERMS};
pub use pattern::Pattern;
pub use tree::{Comparison, Constraint};
pub use value::Value;
