//! The hardware that the agent library sees.
