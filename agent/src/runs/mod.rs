//! The profile "tenant": payloads, what they say, and what they leave behind.
//!
//! ```text
//!   StartRun --> supervise: process group --- pipe ---> spool --- table ---> RunOutput from the acknowledged offset
//!                    |                                    |
//!                    +-- ended --> collect JUnit files ---+--- table ---> RunFileData, RunFinished until acknowledged
//! ```
//!
//! * [`table`]: the runs of this agent, and what the controller is to hear of them next.
//! * [`cursor`]: how much of one run was sent on this link.
//! * [`supervise`]: one run from its start to its result. [`process`]: its process group. [`orphan`]: what becomes of
//!   that when the agent is killed. [`environment`]: what it finds there. [`live`]: what the two sides of a run share.
//!   [`pump`]: from its pipe to its spool.
//! * [`spool`]: the directory of a run, which outlives a restart of the machine.
//! * [`collect`], [`glob`], [`junit`]: which files a payload leaves behind, and what they count.
//! * [`limits`]: how much of everything.

mod collect;
mod cursor;
mod environment;
mod glob;
mod junit;
mod limits;
mod live;
mod orphan;
mod process;
mod pump;
mod spool;
mod supervise;
mod table;

pub(crate) use limits::Limits;
pub(crate) use table::Runs;
