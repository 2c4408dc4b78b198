//! The life of one replica: launched, looked at until it is ready, stopped or dead. It tells the
//! supervisor what happened and decides nothing about other replicas.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::places::Place;
use super::recovery::Crash;
use super::seams::{Child, Exit, LaunchError, Launcher, Order, Probe, Sight};
use crate::revision::ReplicaId;
use crate::trace::Phases;

/// Between two looks at a process that has just been started.
const EAGER: Duration = Duration::from_millis(25);
/// Between two looks once it has taken [`PATIENCE`].
const RELAXED: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
/// From when on, and how often, a start that is not ready is explained.
const SUSPICION: Duration = Duration::from_secs(3);
const EXPLAIN_EVERY: Duration = Duration::from_secs(1);
const EXPLAIN_SELDOM: Duration = Duration::from_secs(10);
/// The longest detail of a crash, in bytes.
const DETAIL_BYTES: usize = 2048;

/// What the supervisor hears while a replica lives.
#[derive(Debug)]
pub(super) enum Note {
    Ready(ReplicaId, Phases),
    Slow(ReplicaId, String),
    /// The process has exited; its group and its last words are still being gathered.
    Down(ReplicaId),
}

/// How the life ended.
#[derive(Debug)]
pub(super) enum Ending {
    Stopped,
    Crashed(Crash),
}

/// Everything one replica's task owns.
pub(super) struct Life<L, P> {
    pub(super) launcher: Arc<L>,
    pub(super) probe: Arc<P>,
    pub(super) order: Order,
    pub(super) place: Place,
    pub(super) stop: CancellationToken,
    pub(super) kill: CancellationToken,
    pub(super) notes: mpsc::UnboundedSender<Note>,
}

enum Turn {
    Asked,
    Down,
    NeverReady(String),
}

impl<L: Launcher, P: Probe> Life<L, P> {
    /// From launch until nothing is left of the group; the place is held until then.
    pub(super) async fn run(self) -> (ReplicaId, Ending) {
        let ending = self.live().await;
        drop(self.place);
        (self.order.replica, ending)
    }

    async fn live(&self) -> Ending {
        let started = Instant::now();
        let child = match self.launcher.launch(&self.order).await {
            Ok(child) => child,
            Err(error) => return Ending::Crashed(could_not_launch(&error)),
        };
        let spawn = started.elapsed();
        let turn = tokio::select! {
            () = self.stop.cancelled() => Turn::Asked,
            () = self.kill.cancelled() => Turn::Asked,
            () = child.down() => Turn::Down,
            why = self.watch_start(&child, started, spawn) => Turn::NeverReady(why),
        };
        match turn {
            Turn::Asked => {
                self.end(&child).await;
                Ending::Stopped
            }
            Turn::Down => {
                self.tell(Note::Down(self.order.replica));
                crashed(&child.gone().await, None)
            }
            Turn::NeverReady(why) => {
                child.kill();
                crashed(&child.gone().await, Some(&why))
            }
        }
    }

    /// SIGTERM, time to finish, SIGKILL.
    async fn end(&self, child: &L::Child) {
        if !self.kill.is_cancelled() {
            child.terminate();
            tokio::select! {
                () = child.down() => {}
                () = self.kill.cancelled() => {}
                () = sleep(self.order.spec.stop_timeout) => {}
            }
        }
        child.kill();
        child.gone().await;
    }

    /// Returns only if the process never became ready: with the reason.
    async fn watch_start(&self, child: &L::Child, started: Instant, spawn: Duration) -> String {
        let timeout = self.order.spec.readiness.timeout;
        let mut last = Sight::Nobody;
        let looking = self.look_until_ready(child, started, spawn, &mut last);
        // A timeout beyond what the clock can count is none.
        let deadline = started.checked_add(timeout);
        let found = match deadline {
            Some(deadline) => timeout_at(deadline, looking).await,
            None => Ok(looking.await),
        };
        match found {
            Ok(phases) => {
                self.tell(Note::Ready(self.order.replica, phases));
                std::future::pending().await
            }
            Err(_) => self.explain(child, &last, Some(timeout)).await,
        }
    }

    async fn look(&self) -> Sight {
        let Order { endpoint, spec, .. } = &self.order;
        let path = spec.readiness.path.as_deref();
        self.probe.look(*endpoint, path).await
    }

    async fn look_until_ready(
        &self,
        child: &L::Child,
        started: Instant,
        spawn: Duration,
        last: &mut Sight,
    ) -> Phases {
        let mut heard_at = None;
        let mut explain_at = started + SUSPICION;
        loop {
            let now = Instant::now();
            *last = self.look().await;
            if *last != Sight::Nobody {
                heard_at.get_or_insert_with(Instant::now);
            }
            if let (Sight::Ready, Some(heard_at)) = (&*last, heard_at) {
                return Phases {
                    spawn,
                    listen: heard_at.duration_since(started + spawn),
                    ready: heard_at.elapsed(),
                };
            }
            if now >= explain_at {
                // Finding out which ports a group has reads much of /proc: less often as time goes on.
                explain_at = now + (started.elapsed() / 8).clamp(EXPLAIN_EVERY, EXPLAIN_SELDOM);
                let why = self.explain(child, last, None).await;
                self.tell(Note::Slow(self.order.replica, why));
            }
            let young = now < started + PATIENCE;
            sleep_until(now + if young { EAGER } else { RELAXED }).await;
        }
    }

    /// What keeps it from being ready; `after` says that it is given up.
    async fn explain(&self, child: &L::Child, seen: &Sight, after: Option<Duration>) -> String {
        let port = self.order.endpoint.0.port();
        let when = after.map_or("yet".to_owned(), |after| format!("after {after:?}"));
        let says = |what: &str| match after {
            Some(_) => format!("port {port} {what} {when}"),
            None => format!("port {port} {what}"),
        };
        if let Sight::NotReady(what) = seen {
            return says(what);
        }
        let ports = child.listening().await;
        if ports.contains(&port) {
            // It may have begun to since it was seen.
            return match self.look().await {
                Sight::Nobody => {
                    format!("the process listens on port {port}, but not on 127.0.0.1")
                }
                Sight::NotReady(what) => says(&what),
                Sight::Ready => says("is ready only"),
            };
        }
        let question = "does the command use {port} or $PORT?";
        if ports.is_empty() {
            return format!("nothing listens on port {port} {when}; {question}");
        }
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let ports = ports.join(" and ");
        format!("the process listens on {ports} instead of {port}: {question}")
    }

    fn tell(&self, note: Note) {
        // A supervisor that is gone has nothing left to decide.
        let _ = self.notes.send(note);
    }
}

fn could_not_launch(error: &LaunchError) -> Crash {
    Crash {
        detail: error.to_string(),
        hopeless: matches!(error, LaunchError::NotRunnable { .. }),
    }
}

fn crashed(exit: &Exit, why: Option<&str>) -> Ending {
    let head = match why {
        Some(why) => why.to_owned(),
        None => format!("the process ended with {}", exit.status),
    };
    let mut detail = first_bytes(&head, DETAIL_BYTES / 2).to_owned();
    if !exit.stderr.is_empty() {
        let room = DETAIL_BYTES - detail.len() - 1;
        let stderr = exit.stderr.join("\n");
        detail.push('\n');
        detail.push_str(last_bytes(&stderr, room));
    }
    Ending::Crashed(Crash {
        detail,
        hopeless: false,
    })
}

fn first_bytes(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes.min(text.len())).rev();
    &text[..ends.find(|&at| text.is_char_boundary(at)).unwrap_or(0)]
}

/// The end of a text tells more than its beginning: that is where the error stands.
fn last_bytes(text: &str, bytes: usize) -> &str {
    let mut starts = text.len().saturating_sub(bytes)..text.len();
    &text[starts
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_of_a_crash_keeps_the_last_lines_within_its_bound() {
        let mut stderr = vec!["ä".repeat(1500); 3];
        stderr.push("ValueError: no such model".to_owned());
        let exit = Exit {
            status: "exit status: 1".into(),
            stderr,
        };

        let Ending::Crashed(crash) = crashed(&exit, None) else {
            panic!("it crashed");
        };

        assert!(
            crash
                .detail
                .starts_with("the process ended with exit status: 1\n")
        );
        assert!(crash.detail.ends_with("\nValueError: no such model"));
        assert!(crash.detail.len() <= DETAIL_BYTES, "{}", crash.detail.len());
    }
}
