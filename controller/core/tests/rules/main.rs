//! The rules of the core, one file for each subject. Every test tells a short story on a small [`rack`].

mod boot_decision;
mod course;
mod diskless;
mod enrolment;
mod first_wipe;
mod given;
mod groups;
mod hardware;
mod invariants;
mod ladder;
mod limits;
mod rack;
mod registration;
mod restart;
mod runs;
mod scheduling;
mod silence;
mod wiring;
