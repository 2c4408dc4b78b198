//! What is promised, tried from outside.

mod autoscale;
mod clock;
mod deploy;
mod explain;
mod gate;
mod guides;
mod pods;
mod process;
mod scenes;
mod simulate;
mod sockets;
mod strict;
mod support;
#[cfg(feature = "tls")]
mod upstream_tls;
mod vectors;
mod whatif;
