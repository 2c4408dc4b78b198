//! Holdgate.

pub mod revision;
pub mod ports;
