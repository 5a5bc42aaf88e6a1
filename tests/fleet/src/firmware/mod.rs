//! Simulated firmware.
