//! Looks at the model server beside us as long as we are here, and tells the world of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{Looker, POLL, Questions, Verdict};
use crate::ports::{Occupancy, ReplicaState, ReplicaView, World};
use crate::revision::{Endpoint, ReplicaId};
use crate::sync::now;

/// The one replica there is. It is the same one after a crash too: its slots are those of the door.
pub const REPLICA: ReplicaId = ReplicaId(1);

/// A model server beside us.
#[derive(Debug)]
pub struct Beside<L> {
    questions: Arc<Questions<L>>,
    world: watch::Sender<World>,
}

impl<L: Looker> Beside<L> {
    /// It listens, or will, at `endpoint`, and is called `name` if it is known to be a pod.
    pub fn new(questions: Arc<Questions<L>>, endpoint: Endpoint, name: Option<Arc<str>>) -> Self {
        let view = ReplicaView {
            id: REPLICA,
            name,
            uid: None,
            endpoint: Some(endpoint),
            state: ReplicaState::Starting,
            since: now(),
            phase: None,
            detail: None,
            kept_by: None,
        };
        let world = World {
            replicas: vec![view],
            ..World::default()
        };
        Self {
            questions,
            world: watch::Sender::new(world),
        }
    }

    /// What is there, at present.
    #[must_use]
    pub fn world(&self) -> watch::Receiver<World> {
        self.world.subscribe()
    }

    /// Looks for ever, sooner when requests could not reach it.
    pub async fn follow(self, occupancy: Arc<impl Occupancy>) {
        let mut vacancies = occupancy.vacancies();
        loop {
            self.until_ready().await;
            self.tell(ReplicaState::Ready, None);
            let why = self.while_ready(&*occupancy, &mut vacancies).await;
            tracing::warn!(%why, "the model server is not ready any more");
            self.tell(ReplicaState::Starting, Some(why));
        }
    }

    async fn until_ready(&self) {
        while let Err(why) = self.questions.ask().await {
            self.tell(ReplicaState::Starting, Some(why));
            sleep(POLL).await;
        }
        tracing::info!("the model server is ready");
    }

    /// Why it is ready no longer.
    async fn while_ready(
        &self,
        occupancy: &impl Occupancy,
        vacancies: &mut watch::Receiver<u64>,
    ) -> Arc<str> {
        let mut failed = 0;
        loop {
            let pause = if failed == 0 {
                self.questions.period()
            } else {
                POLL.max(self.questions.period() / 4)
            };
            let unreachable = self.unreached_within(pause, occupancy, vacancies).await;
            match self.look().await {
                Ok(()) => {
                    failed = 0;
                    if unreachable {
                        // Requests find their way back by themselves.
                        sleep(POLL).await;
                    }
                }
                // A request and a look agree: it has crashed.
                Err(why) if unreachable => return why,
                Err(why) => {
                    failed += 1;
                    if failed >= self.questions.failures() {
                        return why;
                    }
                }
            }
        }
    }

    async fn look(&self) -> Verdict {
        self.questions.glance().await
    }

    /// Waits, and less if a request finds that it cannot be reached.
    async fn unreached_within(
        &self,
        pause: Duration,
        occupancy: &impl Occupancy,
        vacancies: &mut watch::Receiver<u64>,
    ) -> bool {
        let unreached = async {
            while occupancy.suspects().is_empty() {
                if vacancies.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = unreached => true,
            () = sleep(pause) => false,
        }
    }

    fn tell(&self, state: ReplicaState, detail: Option<Arc<str>>) {
        self.world.send_if_modified(|world| {
            let view = &mut world.replicas[0];
            let changed = view.state != state || view.detail != detail;
            if view.state != state {
                view.since = now();
            }
            (view.state, view.detail) = (state, detail);
            changed
        });
    }
}
