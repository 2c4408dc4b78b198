//! Holdgate.

pub mod revision;
pub mod admission;
pub mod sync;
pub mod ports;
pub mod stats;
pub mod throttler;
pub mod registry;
pub mod proxy;
pub mod server;
