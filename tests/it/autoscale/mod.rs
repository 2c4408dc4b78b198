//! Deciding as a whole, under a clock that is turned by hand.

mod late;
mod laws;
mod learned;
mod odd;
mod resting;
mod scenes;
mod world;

pub(crate) use world::scaling;
