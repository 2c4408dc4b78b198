//! Holdgate.

pub mod backend;
pub mod cli;
pub mod config;
pub mod ports;
pub mod revision;
