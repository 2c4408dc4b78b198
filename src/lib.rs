//! Holdgate.

pub mod revision;

pub mod ports;

pub mod sample_model;
