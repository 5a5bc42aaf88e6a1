//! What goes wrong in machine rooms, done to a whole controller and simulated machines.

mod bmc;
mod constraints;
mod database;
mod diskless;
mod fencing;
mod first_wipe;
mod leases;
mod network;
mod next_tenant;
mod pools;
mod replacements;
mod requests;
mod restarts;
mod secrets;
mod store;
mod strangers;
mod tenants;
mod tokens;
mod warm;
mod wiring;
