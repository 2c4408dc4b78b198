//! The loop on a real machine, where every tick is heard a little late.

use std::sync::Arc;
use std::time::Duration;

use holdgate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use holdgate::decisions::Decisions;
use holdgate::ports::{ReplicaState, ReplicaView, ScaleError, Scaler, World};
use holdgate::revision::{ContainerConcurrency, Endpoint, QueueLimits, ReplicaId, RevisionId};
use holdgate::stats::Stats;
use holdgate::throttler::{Arrival, Throttler};
use tokio::sync::watch;
use tokio::time::{Instant, advance};

use super::world::{scaling, spec};

/// Replicas that are ready as soon as they are asked for.
struct Prompt {
    world: watch::Sender<World>,
    throttler: Arc<Throttler<()>>,
}

impl Scaler for Prompt {
    async fn scale_to(&self, replicas: u32, _why: &str) -> Result<(), ScaleError> {
        let ready = |id| ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: ReplicaId(id),
            name: None,
            endpoint: Some(Endpoint(([127, 0, 0, 1], 1000).into())),
            detail: None,
            state: ReplicaState::Ready,
            since: Instant::now().into_std(),
        };
        let replicas = (1..=u64::from(replicas)).map(ready).collect();
        let world = World {
            replicas,
            ..World::default()
        };
        self.throttler.follow(&world);
        self.world.send_replace(world);
        Ok(())
    }
}

/// Milliseconds by which each step is late, over and over.
const LATE: [u64; 7] = [3, 0, 2, 5, 1, 0, 4];

/// Lets time pass, and whoever has waited for it run.
async fn until(at: Instant) {
    advance(at - Instant::now()).await;
    tokio::task::yield_now().await;
}

/// One request after so long; how long after its end the last replica goes.
async fn quiet_after(request: Duration) -> Duration {
    let limits = QueueLimits {
        max_requests: 10,
        max_bytes: 10,
        timeout: Duration::from_secs(60),
        cold_timeout: Duration::from_secs(60),
        read_ahead: 0,
        order: holdgate::revision::QueueOrder::Fifo,
    };
    let throttler = Throttler::new(ContainerConcurrency::UNLIMITED, limits);
    let (world, seen) = watch::channel(World::default());
    let scaler = Prompt {
        world,
        throttler: Arc::clone(&throttler),
    };
    let autoscaler = PodAutoscaler {
        beat: Beat::begin(),
        lasting: Lasting::nothing(),
        id: RevisionId::new("m"),
        demand: Arc::clone(&throttler),
        scaler,
        world: seen.clone(),
        gauged: watch::channel(Gauged::default()).1,
        scheduled: watch::channel(None).1,
        spec: watch::channel(spec(scaling())).1,
        decisions: Arc::new(Decisions::default()),
        stats: Arc::new(Stats::new()),
    };
    let steering = tokio::spawn(autoscaler.run());
    let begun = Instant::now();
    for second in 0..request.as_secs() {
        until(begun + Duration::from_secs(second)).await;
    }
    until(begun + request).await;
    let Arrival::Waiting(place) = throttler.arrive(0) else {
        panic!("there is no replica yet");
    };
    let permit = place.await.expect("one comes at once");
    drop(permit);
    let end = Instant::now();
    let mut seconds = request.as_secs()..;
    let mut late = LATE.iter().cycle();
    while !seen.borrow().replicas.is_empty() {
        let late = late
            .next()
            .zip(seconds.next())
            .map(|(late, second)| Duration::from_secs(second + 1) + Duration::from_millis(*late));
        until(begun + late.expect("both go on")).await;
    }
    steering.abort();
    end.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_last_replica_goes_after_90_to_94_seconds_however_late_ticks_are_heard() {
    for tenths in 10..60 {
        let took = quiet_after(Duration::from_millis(tenths * 100)).await;
        let promised = Duration::from_secs(90)..=Duration::from_millis(94_010);
        assert!(
            promised.contains(&took),
            "{took:?}, asked after {tenths} tenths of a second"
        );
    }
}
