//! A whole gate in memory: the real data path, throttler, autoscaler and supervisor, with model
//! servers that are tasks, byte streams that are pipes, and a clock that jumps to what comes next.

mod body;
mod client;
mod dials;
mod dice;
mod gate;
mod machine;
mod model;
mod record;
mod settings;

use std::time::Duration;

pub(crate) use body::telling;
pub(crate) use client::{Answer, Ask, Client, get, named, post, post_told};
pub(crate) use dials::{Dials, broken};
pub(crate) use dice::Dice;
pub(crate) use gate::Gate;
pub(crate) use machine::{Machine, Process, Start};
pub(crate) use model::LABELS;
pub(crate) use record::{measured, measured_again, was_taken};
pub(crate) use settings::{defaults, process, revision};

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets everybody do what they can do now, while the clock stands still.
pub(crate) async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
