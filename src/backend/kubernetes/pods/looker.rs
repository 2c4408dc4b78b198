//! Looks at one pod again and again until it takes requests: every few milliseconds while somebody
//! waits for it and it is young, ever more seldom the longer it takes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::Note;
use crate::backend::kubernetes::door::{Ask, Door};
use crate::backend::kubernetes::look::{Look, Patience, Seen, look};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

/// Between two looks for which somebody waits, and most.
const EAGER: Duration = Duration::from_millis(5);
const RELAXED: Duration = Duration::from_millis(250);
/// The same, at least, once somebody answers: it has better to do than to answer us.
const POLITE: Duration = Duration::from_millis(20);
/// Between two looks for which nobody waits.
const CALM: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(5);
/// So long nobody knows yet whether it is one that never comes.
const YOUNG: Duration = Duration::from_secs(30);
/// Kubelet is not asked: it tells.
const TOLD: Duration = Duration::from_secs(60);
/// To connect, at first and at last: a packet that is lost while a network is being made is not waited
/// for.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(1);
/// So long a server that does not know its model may only not have come so far.
const DOUBT: Duration = Duration::from_secs(1);

/// Somebody who looks at a pod. Stops when dropped.
#[derive(Debug)]
pub(super) struct Looker {
    kubelet: Arc<AtomicBool>,
    kick: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

/// What is looked at.
pub(super) struct Sight {
    pub(super) id: ReplicaId,
    /// Which life of its containers.
    pub(super) life: u64,
    pub(super) ip: IpAddr,
    pub(super) door: Arc<Door>,
    pub(super) kubelet: bool,
}

impl Looker {
    pub(super) fn start<L: Look, O: Occupancy>(
        sight: Sight,
        eyes: Arc<L>,
        occupancy: Arc<O>,
        notes: mpsc::UnboundedSender<Note>,
    ) -> Self {
        let kubelet = Arc::new(AtomicBool::new(sight.kubelet));
        let kick = Arc::new(Notify::new());
        let watch = Watch {
            sight,
            eyes,
            occupancy,
            kubelet: Arc::clone(&kubelet),
            kick: Arc::clone(&kick),
            notes,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(watch.run()));
        Self {
            kubelet,
            kick,
            _task: task,
        }
    }

    /// What kubelet says by now.
    pub(super) fn hear(&self, ready: bool) {
        if self.kubelet.swap(ready, Ordering::Relaxed) != ready {
            self.kick();
        }
    }

    /// Looks at once.
    pub(super) fn kick(&self) {
        self.kick.notify_one();
    }
}

struct Watch<L, O> {
    sight: Sight,
    eyes: Arc<L>,
    occupancy: Arc<O>,
    kubelet: Arc<AtomicBool>,
    kick: Arc<Notify>,
    notes: mpsc::UnboundedSender<Note>,
}

impl<L: Look, O: Occupancy> Watch<L, O> {
    async fn run(self) {
        let Sight { id, life, .. } = self.sight;
        let began = Instant::now();
        let (mut heard, mut guessed, mut said) = (None, None, None);
        loop {
            let age = began.elapsed();
            let hurried = self.occupancy.is_waited_for();
            let seen = tokio::select! {
                seen = self.look(age, hurried || age < YOUNG) => seen,
                // It may stand in a long line, and somebody waits for it now.
                () = self.kick.notified(), if !hurried => continue,
            };
            let now = Instant::now();
            if seen != Seen::Nobody {
                heard.get_or_insert(now);
            }
            let word = match seen {
                Seen::Ready => break,
                Seen::Guess if now >= *guessed.get_or_insert(now) + DOUBT => break,
                Seen::Guess => Some("accepts connections, and does not know its model".to_owned()),
                Seen::NotYet(what) => Some(what),
                Seen::Nobody => None,
            };
            let answered = word.is_some();
            if said != word {
                said.clone_from(&word);
                self.tell(Note::Says(id, life, word));
            }
            tokio::select! {
                () = sleep(self.pause(age, hurried, answered)) => {}
                () = self.kick.notified() => {}
            }
        }
        let ready = Instant::now();
        self.tell(Note::Ready(id, life, heard.unwrap_or(ready)));
    }

    async fn look(&self, age: Duration, hurried: bool) -> Seen {
        let patience = Patience {
            connect: (age / 10).clamp(SHORT, LONG),
            hurried,
        };
        let Sight { ip, door, .. } = &self.sight;
        let kubelet = self.kubelet.load(Ordering::Relaxed);
        look(&*self.eyes, door, *ip, kubelet, patience).await
    }

    fn pause(&self, age: Duration, hurried: bool, answered: bool) -> Duration {
        if self.sight.door.asks == [Ask::Kubelet] {
            return TOLD;
        }
        let pause = if hurried {
            (age / 1000).clamp(EAGER, RELAXED)
        } else {
            (age / 20).clamp(CALM, SELDOM)
        };
        if answered { pause.max(POLITE) } else { pause }
    }

    fn tell(&self, note: Note) {
        // Who is gone need not know.
        let _ = self.notes.send(note);
    }
}
