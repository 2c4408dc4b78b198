//! The `holdgate` binary.

fn main() {}
