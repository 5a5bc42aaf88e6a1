//! What the tests share.
//!
//! * [`bench`]: one machine and its controller.
//! * [`controller`]: a controller that does what a test says, over real mutual TLS.
//! * [`faulty`]: a disk that does not do what it says.
//! * [`machine`]: a machine whose disks are files.
//! * [`pki`]: its certificate authority.
//! * [`recorded`]: devices that play back recorded exchanges.
//! * [`stream`]: a connection to it.
//! * [`web`]: a web server that can misbehave.

pub(crate) mod bench;
pub(crate) mod controller;
pub(crate) mod faulty;
pub(crate) mod machine;
pub(crate) mod pki;
pub(crate) mod recorded;
pub(crate) mod stream;
pub(crate) mod web;
