//! The rules of the core, one file for each subject. Every test tells a short story on a small [`rack`].

mod boot_decision;
mod constraints;
mod course;
mod diskless;
mod enrolment;
mod first_wipe;
mod given;
mod groups;
mod hardware;
mod invariants;
mod ladder;
mod language;
mod leadership;
mod limits;
mod preemption;
mod preview;
mod quotas;
mod rack;
mod registration;
mod restart;
mod runs;
mod scheduling;
mod shares;
mod silence;
mod together;
mod wiring;
