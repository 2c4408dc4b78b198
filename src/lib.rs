//! Holdgate.

pub mod admission;
pub mod autoscale;
pub mod ports;
pub mod revision;
