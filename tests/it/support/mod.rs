//! A whole gate in memory: the real data path, throttler, autoscaler and supervisor, with model
//! servers that are tasks, byte streams that are pipes, and a clock that jumps to what comes next.

mod body;
mod client;
mod dice;
mod gate;
mod machine;
mod model;
mod settings;

use std::time::Duration;

pub(crate) use body::{Told, telling};
pub(crate) use client::{Answer, Client, get, post};
pub(crate) use dice::Dice;
pub(crate) use gate::Gate;
pub(crate) use machine::{Machine, Process, Start};
pub(crate) use model::Seen;
pub(crate) use settings::{defaults, process, revision};

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets everybody do what they can do now.
pub(crate) async fn settle() {
    tokio::time::sleep(ms(1)).await;
}
