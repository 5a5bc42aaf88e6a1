//! The profile "ramdisk": inspect, wipe, prove, deploy, start what was deployed.
//!
//! ```text
//!             Task                    Task, same id
//!   Idle ------------> Working  <------------------ (nothing: it is being done)
//!    ^  \                 |  \
//!    |   \ Task, same id  |   \ Task, other id
//!    |    \ (report again)|    \
//!    |     v              |     v
//!    +---------- report --+   Cancelling -- stopped --> Working on the newer task
//! ```
//!
//! * [`profile`]: this state machine.
//! * [`task`]: what a task is done with, and how it ends.
//! * [`inspect`], [`wipe`], [`prove`], [`deploy`]: the tasks; [`image`], [`decode`], [`memory`] and [`sign`] are parts of the last.
//! * [`ahead`]: an image that is on a disk before anybody asks for it, and what has to go again of another.
//! * [`erase`]: one disk is erased, by one method after the other until one was seen to work.
//! * [`readback`]: where a disk is looked at, to call it blank or wiped.

mod ahead;
mod decode;
mod deploy;
mod erase;
mod image;
mod inspect;
mod memory;
mod profile;
mod prove;
mod readback;
mod sign;
mod task;
mod wipe;

pub use profile::run_ramdisk;
