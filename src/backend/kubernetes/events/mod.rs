//! Events in the cluster, as `kubectl describe` shows them. kube's recorder takes two messages with one
//! reason for the same Event and keeps the first, and neither waits for an API server that is away nor
//! bounds what is told; so what is told, and when, is decided at a desk of our own.

mod desk;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::Patch;
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::desk::{Desk, Telling};
use super::call::{Failure, in_time, patching, timestamp, writing};
use super::objects::ObjectRef;
use super::seams::{Announcer, ApiError, Gravity, Notice};
use crate::sync::{now, wall};

/// Who tells them.
const CONTROLLER: &str = "holdgate.dev/gateway";

/// What was done, for those who sort Events by it.
const ACTION: &str = "Steer";

/// Most bytes of a message, of an instance's name, as the API has it.
const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;

/// What could not be told for so long is not news any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);

/// Between two attempts at an API server that is away, at first and at last.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// How often it is looked whether there is something to count, and told what was dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Tells notices as Events, one after the other, for as long as it is kept.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    news: Notify,
    waiting: watch::Sender<usize>,
}

impl Events {
    /// Begins, in the name of one gateway: its pod's. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(client: Client, instance: &str) -> Self {
        let shared = Arc::new(Shared {
            desk: Mutex::new(Desk::new(now())),
            news: Notify::new(),
            waiting: watch::Sender::new(0),
        });
        let teller = Teller {
            client,
            instance: cut(instance, LONGEST_INSTANCE),
            shared: Arc::clone(&shared),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(teller.run()));
        Self {
            shared,
            _task: task,
        }
    }

    /// Waits until everything was told, and no longer than `within`.
    pub async fn finish(&self, within: Duration) {
        let mut waiting = self.shared.waiting.subscribe();
        let all_told = waiting.wait_for(|waiting| *waiting == 0);
        if timeout(within, all_told).await.is_err() {
            let events = self.shared.desk.lock().waiting();
            tracing::warn!(events, "the last of the events could not be told");
        }
    }
}

impl Announcer for Events {
    fn announce(&self, notice: Notice) {
        let mut desk = self.shared.desk.lock();
        desk.note(notice, now(), wall());
        self.shared.waiting.send_replace(desk.waiting());
        drop(desk);
        self.shared.news.notify_one();
    }
}

struct Teller {
    client: Client,
    instance: String,
    shared: Arc<Shared>,
}

impl Teller {
    async fn run(self) {
        let mut sweeps = interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shared.news.notified() => {}
                _ = sweeps.tick() => self.sweep(),
            }
            self.tell_all().await;
        }
    }

    fn sweep(&self) {
        let dropped = self.shared.desk.lock().sweep(now());
        if let Some(example) = dropped.example {
            let (events, about) = (dropped.notices, &example.about.name);
            let (reason, message) = (example.reason.as_str(), &example.message);
            tracing::warn!(events, %about, reason, message, "events were not told, this is the last of them");
        }
    }

    async fn tell_all(&self) {
        let [mut pause, longest] = PAUSE;
        loop {
            let next = self.shared.desk.lock().next();
            let Some(telling) = next else { return };
            let told = self.tell(&telling).await;
            let waits = now().saturating_duration_since(telling.seen);
            match told {
                Err(Failure { passing: true, .. }) if waits < GIVE_UP_AFTER => {
                    sleep(pause).await;
                    pause = (2 * pause).min(longest);
                }
                told => {
                    [pause, _] = PAUSE;
                    self.settle(telling, told.map_err(|failure| failure.error));
                }
            }
            let waiting = self.shared.desk.lock().waiting();
            self.shared.waiting.send_replace(waiting);
        }
    }

    fn settle(&self, telling: Telling, told: Result<(), ApiError>) {
        let mut desk = self.shared.desk.lock();
        match told {
            // One of this name is there: it was made when its answer was lost.
            Ok(()) | Err(ApiError::Conflict) => desk.told(&telling, now()),
            Err(ApiError::Gone) if telling.again => desk.renew(&telling, wall()),
            Err(error) => {
                let (about, reason) = (&telling.notice.about.name, telling.notice.reason.as_str());
                tracing::debug!(%error, %about, reason, "an event could not be told");
                desk.give_up(telling);
            }
        }
    }

    async fn tell(&self, telling: &Telling) -> Result<(), Failure> {
        let about = &telling.notice.about;
        let namespace = if about.namespace.is_empty() {
            "default"
        } else {
            &*about.namespace
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if telling.again {
            let patch = Patch::Merge(json!({ "series": series(telling) }));
            let patched = in_time(events.patch(&telling.name, &patching(), &patch)).await;
            return patched.map(drop);
        }
        let event = self.event(telling, namespace);
        in_time(events.create(&writing(), &event)).await.map(drop)
    }

    fn event(&self, telling: &Telling, namespace: &str) -> Event {
        let Notice {
            about,
            reason,
            message,
        } = &telling.notice;
        let type_ = match reason.gravity() {
            Gravity::Normal => "Normal",
            Gravity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(telling.name.clone()),
                ..ObjectMeta::default()
            },
            action: Some(ACTION.to_owned()),
            reason: Some(reason.as_str().to_owned()),
            note: Some(cut(message, LONGEST_NOTE)),
            type_: Some(type_.to_owned()),
            regarding: Some(reference(about)),
            event_time: Some(MicroTime(timestamp(telling.first))),
            series: (telling.count > 1).then(|| series(telling)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

fn series(telling: &Telling) -> EventSeries {
    EventSeries {
        count: i32::try_from(telling.count).unwrap_or(i32::MAX),
        last_observed_time: MicroTime(timestamp(telling.last)),
    }
}

fn reference(about: &ObjectRef) -> ObjectReference {
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ObjectReference {
        api_version: said(&about.api_version),
        kind: said(&about.kind),
        namespace: said(&about.namespace),
        name: said(&about.name),
        uid: said(&about.uid),
        ..ObjectReference::default()
    }
}

/// At most so many bytes of a text.
fn cut(text: &str, most: usize) -> String {
    const END: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most - END.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{END}", &text[..end])
}

#[cfg(test)]
mod tests;
