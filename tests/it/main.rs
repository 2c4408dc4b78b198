//! What is promised, tried from outside.

mod autoscale;
mod clock;
mod malformed;
mod process;
mod vectors;
