//! What is promised, tried from outside.

mod autoscale;
mod clock;
mod process;
mod vectors;
