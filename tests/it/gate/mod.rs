//! The built program as a person meets it: real sockets, signals, files and processes.

mod again;
mod client;
mod devices;
mod directory;
mod edge;
mod ending;
mod explain;
mod failing;
mod handover;
mod hours;
mod keys;
mod kills;
mod leaving;
mod log;
mod manifests;
mod measured;
mod memory;
mod record;
mod reload;
mod sidecar;
mod starts;
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod upstream;
