//! The built program as a person meets it: real sockets, signals, files and processes.

mod client;
mod devices;
mod directory;
mod edge;
mod ending;
mod failing;
mod kills;
mod leaving;
mod log;
mod manifests;
mod measured;
mod record;
mod reload;
mod starts;
mod support;
