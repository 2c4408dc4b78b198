//! One integration binary: real sockets, signals and processes.

mod process;
