//! A simulated management controller.
