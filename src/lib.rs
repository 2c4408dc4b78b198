//! Holdgate.

pub mod revision;
pub mod admission;
pub mod autoscale;

pub mod sync;
pub mod ports;
pub mod stats;
pub mod throttler;
pub mod autoscaler;
pub mod registry;

pub mod backend;

pub mod proxy;
pub mod server;

pub mod sample_model;
pub mod config;
pub mod cli;
