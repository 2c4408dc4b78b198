//! Holdgate.

pub mod admission;
pub mod autoscale;
pub mod revision;

pub mod autoscaler;
pub mod ports;
pub mod registry;
pub mod stats;
pub mod sync;
pub mod throttler;

pub mod backend;

pub mod proxy;
pub mod server;

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod sample_model;
pub mod telemetry;
