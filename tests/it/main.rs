//! What is promised, tried from outside.

mod autoscale;
mod clock;
mod scenes;
mod support;
mod vectors;
