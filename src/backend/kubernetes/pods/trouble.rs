//! Remembers the starts that have failed, and says when no replica can come: the containers crash again
//! and again, or kubelet cannot make them. Kubelet decides when the next attempt is made.

use std::time::Duration;

use tokio::time::Instant;

use super::member::Member;
use crate::backend::kubernetes::objects::{Obstruction, Stage};

/// Kubelet has tried and waits before it tries again, or cannot without somebody's doing.
const HOPELESS: [&str; 5] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
];
/// It may work this time, unless it has not worked before.
const TRYING: &str = "ErrImagePull";

/// Starts in a row that failed.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    crashes: u32,
}

/// Why a pod does not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hopeless {
    pub(super) detail: String,
    pub(super) next_attempt: Option<Instant>,
}

impl Trouble {
    /// Containers ended before they were ready.
    pub(super) fn crashed(&mut self, times: u32) {
        self.crashes = self.crashes.saturating_add(times);
    }

    /// A replica became ready: whatever failed before does not count any more.
    pub(super) fn succeeded(&mut self) {
        self.crashes = 0;
    }

    /// Why this pod does not come; `None` while it may.
    pub(super) fn keeps(&self, member: &Member, failed_starts: u32) -> Option<Hopeless> {
        let Stage::Waiting(Some(obstruction)) = &member.pod.stage else {
            return None;
        };
        let (hopeless, times) = match obstruction.reason.as_str() {
            _ if member.pod.down > 0 => {
                let times = format!(" (crashed {} times)", self.crashes(member));
                (self.loops(member, failed_starts), times)
            }
            TRYING => (member.backed_off, String::new()),
            reason => (HOPELESS.contains(&reason), String::new()),
        };
        hopeless.then(|| Hopeless {
            detail: format!("pod {}: {}{times}", member.pod.name, told(obstruction)),
            next_attempt: pause_in(&obstruction.message).map(|pause| member.stage_at + pause),
        })
    }

    /// Whether the containers of this pod, or of those before it, have crashed as often in a row as
    /// starts may fail.
    pub(super) fn loops(&self, member: &Member, failed_starts: u32) -> bool {
        self.crashes(member) >= failed_starts.max(1)
    }

    fn crashes(&self, member: &Member) -> u32 {
        self.crashes.max(member.failed_starts())
    }
}

/// Whether kubelet waits before it tries again to get an image.
pub(super) fn is_backed_off(obstruction: &Obstruction) -> bool {
    HOPELESS.contains(&obstruction.reason.as_str())
}

/// In the words of whoever keeps it.
pub(super) fn told(obstruction: &Obstruction) -> String {
    let Obstruction { reason, message } = obstruction;
    match (reason.is_empty(), message.is_empty()) {
        (_, true) => reason.clone(),
        (true, false) => message.clone(),
        (false, false) => format!("{reason}: {message}"),
    }
}

/// "back-off 1m20s restarting failed container".
fn pause_in(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("back-off ")?;
    humantime::parse_duration(rest.split_whitespace().next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelet_says_when_it_tries_again() {
        let pause = |text| pause_in(text).map(|pause| pause.as_secs());
        let text = "back-off 1m20s restarting failed container=m pod=x_default(1)";
        assert_eq!(pause(text), Some(80));
        assert_eq!(pause("Back-off pulling image \"x\""), None);
        assert_eq!(pause("back-off restarting"), None);
    }
}
