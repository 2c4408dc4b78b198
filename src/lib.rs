//! Holdgate: the gate in front of model servers. It holds a request until a replica is free to take
//! it, enforces a hard limit of requests per replica, and asks for more replicas when requests wait.
//!
//! This page is the map. The modules stand in reading order, floor by floor; each names only what
//! stands before it, and `tests/layers.rs` holds them to it.
//!
//! # Invariants
//! What is absent on purpose, since an absence cannot be seen in code:
//! - Floor 0 knows no clock, lock, runtime or network: `now` is an argument, so a decision can be
//!   replayed.
//! - Replicas, slots and the line of one revision have one lock, and it is never held across an
//!   await. There is no second count of anything it counts.
//! - Nobody but the throttler gives slots away, and nobody but a dropped permit returns them.
//! - The data path never sees a configuration file. No refusal is made outside `proxy::rescue`; what else
//!   the gate says itself is in `proxy::canned` and `proxy::waiting`, and at a sidecar's door to probes in
//!   `proxy::beside`.
//! - A request that may have reached a replica is never sent again.
//! - There is no timer per byte and no task per request: an exchange lives in the task of its
//!   connection, and becomes one of its own only when its client has left, or when its answer was
//!   begun before the replica's.

// Floor 0: deciding. The standard library only.
pub mod counting;

pub mod revision;

pub mod admission;

pub mod autoscale;

pub mod model_scan;

// Floor 1: waiting.
pub mod sync;

pub mod schedule;

pub mod ports;

pub mod stats;

pub mod trace;

pub mod guests;

pub mod loads;

pub mod callers;

pub mod shares;

pub mod throttler;

pub mod decisions;

pub mod autoscaler;

pub mod gauging;

pub mod tls;

pub mod registry;

pub mod peers;

// Floor 2: the world.
pub mod backend;

// Floor 3: the data path.
pub mod proxy;

pub mod server;

// Floor 4: what people type and see.
pub mod telemetry;

pub mod state;

pub mod sample_model;

pub mod config;

pub mod explain;

pub mod admin;

pub mod simulate;

pub mod whatif;

pub mod cli;

pub mod app;
