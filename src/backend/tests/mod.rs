//! What a supervisor promises, in virtual time on a simulated machine.

mod diagnoses;
mod failing;
mod leaving;
mod machine;
mod requests;
mod rolling;
mod scaling;
mod stuck;
mod taking;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use self::machine::Machine;
use self::requests::Requests;
use super::places::Places;
use super::spec::{ProcessSpec, Readiness, Resources};
use super::supervisor::{Settings, Supervisor};
use crate::ports::{ReplicaState, Scaler, World};
use crate::revision::RevisionId;
use crate::stats::Stats;
use crate::trace::Tape;

const SECOND: Duration = Duration::from_secs(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// One revision on a simulated machine.
struct Scene {
    machine: Machine,
    requests: Arc<Requests>,
    stats: Arc<Stats>,
    supervisor: Supervisor,
    world: watch::Receiver<World>,
}

impl Scene {
    fn new() -> Self {
        Self::on(Machine::default(), Places::new(16))
    }

    fn on(machine: Machine, places: Places) -> Self {
        Self::of("flowers", spec("serve"), machine, places)
    }

    /// With what an earlier life has learned of its starts.
    fn knowing(typical_start: Option<Duration>, machine: Machine, places: Places) -> Self {
        Self::with(("flowers", typical_start), spec("serve"), machine, places)
    }

    fn of(name: &str, spec: ProcessSpec, machine: Machine, places: Places) -> Self {
        Self::with((name, None), spec, machine, places)
    }

    fn with(
        (name, typical_start): (&str, Option<Duration>),
        spec: ProcessSpec,
        machine: Machine,
        places: Places,
    ) -> Self {
        let requests = Requests::new();
        let stats = Arc::new(Stats::new());
        let settings = Settings {
            typical_start,
            revision: RevisionId::new(name),
            stats: Arc::clone(&stats),
            failed_starts: 3,
            min_replicas: 0,
            max_starting: None,
            tape: Tape::default(),
        };
        let seams = (machine.clone(), machine.clone());
        let supervisor = Supervisor::start(settings, spec, seams, places, requests.clone());
        let world = supervisor.world();
        requests.follow(supervisor.world());
        Self {
            machine,
            requests,
            stats,
            supervisor,
            world,
        }
    }

    async fn scale_to(&self, replicas: u32) {
        self.supervisor.scale_to(replicas, "a test").await.unwrap();
    }

    /// Waits for what the world must come to.
    async fn sees(&mut self, what: impl FnMut(&World) -> bool) -> World {
        let seen = timeout(600 * SECOND, self.world.wait_for(what)).await;
        let world = seen.expect("the world comes to it").unwrap().clone();
        // Whoever else follows the world has then heard of it too.
        sleep(Duration::from_millis(60)).await;
        world
    }

    async fn ready(&mut self, replicas: u32) -> World {
        self.scale_to(replicas).await;
        self.sees(|world| counts(world) == (0, replicas, 0)).await
    }

    /// Lets everything that is due happen.
    async fn after(&self, duration: Duration) -> World {
        sleep(duration).await;
        self.world.borrow().clone()
    }
}

fn spec(program: &str) -> ProcessSpec {
    ProcessSpec {
        command: vec![program.into(), "{port}".into()],
        env: Vec::new(),
        dir: None,
        readiness: Readiness {
            path: Some("/up".into()),
            timeout: 600 * SECOND,
        },
        stop_timeout: STOP_TIMEOUT,
        gpus: 0,
        resources: Resources::default(),
    }
}

/// Starting, ready, draining.
fn counts(world: &World) -> (u32, u32, u32) {
    let count = |state| world.count(state);
    (
        count(ReplicaState::Starting),
        count(ReplicaState::Ready),
        count(ReplicaState::Draining),
    )
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
