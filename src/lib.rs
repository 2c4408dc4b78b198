//! Holdgate.

pub mod admission;
pub mod autoscale;
pub mod autoscaler;
pub mod ports;
pub mod proxy;
pub mod registry;
pub mod revision;
pub mod server;
pub mod stats;
pub mod sync;
pub mod throttler;
