//! The whole gate over in-memory pipes under a clock that jumps: a cold start of minutes takes
//! milliseconds.

mod cold;
