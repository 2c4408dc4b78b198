//! A whole gate in memory: the real data path, throttler, autoscaler and supervisor, with model
//! servers that are tasks, byte streams that are pipes, and a clock that jumps to what comes next.

mod body;
mod client;
mod dials;
mod dice;
mod gate;
mod http2;
mod machine;
mod model;
mod patience;
mod record;
mod settings;
mod sidecar;
#[cfg(feature = "tls")]
mod tls;
mod workers;

use std::time::Duration;

pub(crate) use body::{Teller, telling};
pub(crate) use client::{Answer, Ask, Client, get, named, post, post_text, post_told, with};
pub(crate) use dials::{Dials, broken};
pub(crate) use dice::Dice;
pub(crate) use gate::Gate;
pub(crate) use http2::Http2;
pub(crate) use machine::{Behind, Machine, Process, Start};
pub(crate) use model::{LABELS, Seen};
pub(crate) use patience::{GLANCE, PATIENCE, until};
pub(crate) use record::{measured, measured_again, was_taken};
pub(crate) use settings::{defaults, process, revision};
pub(crate) use sidecar::{Sidecar, saying};
#[cfg(feature = "tls")]
pub(crate) use tls::Authority;
pub(crate) use workers::Workers;

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
