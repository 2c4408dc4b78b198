//! Kinds of world that replicas live in.

pub mod spec;

pub use spec::*;
