//! `kill -9` at any moment is a normal stop.

mod on_purpose;
mod seeded;
mod story;
mod uploads;
