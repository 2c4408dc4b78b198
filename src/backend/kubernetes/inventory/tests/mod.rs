//! What the inventory promises of claims and presents.

mod claims;
mod doors;
mod laws;
mod names;
mod obstacles;
mod presents;
mod refusals;
mod samples;
mod support;
mod ways;
mod words;
