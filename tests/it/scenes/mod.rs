//! The whole gate over in-memory pipes under a clock that jumps: a cold start of minutes takes
//! milliseconds.

mod broken;
mod cold;
mod connections;
mod devices;
mod doors;
mod headers;
mod kills;
mod leaving;
mod malformed;
mod measured;
mod mistakes;
mod record;
mod refusals;
mod scale_down;
mod scaling;
mod slow;
mod streams;
