//! Holdgate.

pub mod backend;
pub mod ports;
pub mod revision;
