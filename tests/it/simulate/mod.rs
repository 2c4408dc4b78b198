//! The what-if, against a gate that runs and against what is known of queues.

mod parity;
mod queueing;
mod scenes;
mod support;
