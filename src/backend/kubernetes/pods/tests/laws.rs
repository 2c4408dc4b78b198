//! Laws over random histories.

use proptest::prelude::*;

use super::cluster::Autoscaler;
use super::*;
use crate::backend::kubernetes::seams::ApiError;

const LIMIT: u32 = 2;
const GRACE: Duration = Duration::from_secs(5);

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Scale(u32),
    /// A request that takes so many milliseconds.
    Request(u64),
    /// The model in one of the pods is killed.
    Kill(usize),
    /// One of the pods is deleted.
    Delete(usize),
    ApiServer(bool),
    Conflict,
    Refusal,
    /// From now on kubelet calls pods ready after so many seconds.
    Kubelet(u64),
    Alone(bool),
    /// The controller sleeps, or wakes up.
    Controller(bool),
    /// The status of the workload changes again and again.
    Statuses(u32),
    /// So many pods find a node from now on.
    Room(u32),
    /// Who brings nodes from now on, or says that none comes.
    Nodes(Autoscaler),
    /// So many pods may be made from now on.
    Quota(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6_u32).prop_map(Event::Scale),
        8 => (10..20_000_u64).prop_map(Event::Request),
        1 => (0..6_usize).prop_map(Event::Kill),
        1 => (0..6_usize).prop_map(Event::Delete),
        1 => any::<bool>().prop_map(Event::ApiServer),
        1 => Just(Event::Conflict),
        1 => Just(Event::Refusal),
        1 => (1..15_u64).prop_map(Event::Kubelet),
        1 => any::<bool>().prop_map(Event::Alone),
        1 => any::<bool>().prop_map(Event::Controller),
        1 => (1..100_u32).prop_map(Event::Statuses),
        2 => (0..6_u32).prop_map(Event::Room),
        1 => nodes().prop_map(Event::Nodes),
        1 => (0..6_u32).prop_map(Event::Quota),
    ]
}

fn nodes() -> impl Strategy<Value = Autoscaler> {
    prop_oneof![
        Just(Autoscaler::Absent),
        Just(Autoscaler::Refuses),
        (1..30_u64).prop_map(|within| Autoscaler::Brings(Duration::from_secs(within))),
    ]
}

fn history() -> impl Strategy<Value = Vec<(u64, Event)>> {
    prop::collection::vec((0..4000_u64, event()), 1..60)
}

impl Scene {
    async fn happen(&self, event: Event) {
        let now = Instant::now();
        let name = |at: usize| self.cluster.names().get(at).cloned();
        match event {
            Event::Scale(replicas) => self.scale_to(replicas).await,
            Event::Request(millis) => drop(self.request(Duration::from_millis(millis))),
            Event::Kill(at) => {
                if let Some(name) = name(at) {
                    self.cluster.kill(&name);
                }
            }
            Event::Delete(at) => self.cluster.change(|inside| {
                if at < inside.pods.len() {
                    inside.delete(at, now);
                }
            }),
            Event::ApiServer(up) => self.cluster.change(|inside| inside.up = up),
            Event::Conflict => self.answer(ApiError::Conflict),
            Event::Refusal => self.answer(ApiError::Refused("no".into())),
            Event::Kubelet(seconds) => self
                .cluster
                .change(|inside| inside.start.ready = Duration::from_secs(seconds)),
            Event::Alone(alone) => {
                let steers = true;
                self.tenure.send_replace(Tenure {
                    steers,
                    heard: alone,
                });
            }
            Event::Statuses(count) => {
                let cluster = self.cluster.clone();
                tokio::spawn(async move {
                    for _ in 0..count {
                        cluster.change(|_| {});
                        sleep(Duration::from_millis(7)).await;
                    }
                });
            }
            Event::Room(room) => self.cluster.change(|inside| inside.room = room),
            Event::Nodes(autoscaler) => {
                self.cluster.change(|inside| inside.autoscaler = autoscaler);
            }

            Event::Quota(quota) => self.cluster.change(|inside| inside.quota = quota),
            Event::Controller(awake) => self.cluster.change(|inside| inside.paused = !awake),
        }
    }

    fn answer(&self, error: ApiError) {
        self.cluster.0.lock().answers.push_back(error);
    }
}

/// Nobody is inside, and nobody waits.
fn at_rest(scene: &Scene) -> bool {
    let read = scene.throttler.read();
    read.waiting == 0 && read.running == 0
}

/// Pods of which nobody has said that a node comes for them, nor for others like them.
fn without_hope(scene: &Scene) -> usize {
    let alive = scene.cluster.alive();
    let views = || alive.iter().map(|pod| &pod.view);
    let comes = views().any(|pod| pod.node_word.as_ref().is_some_and(|word| word.coming));
    let unplaced = views().filter(|pod| pod.ip.is_none()).count();
    if comes { 0 } else { unplaced }
}

async fn live(leaving: LeavingOrder, history: Vec<(u64, Event)>) -> Result<(), TestCaseError> {
    let scene = Scene::of(leaving, 0, LIMIT);
    let mut changed = settings(&scene.stats);
    changed.pending_grace = GRACE;
    scene.pods.set(changed);
    let (mut wanted, mut work) = (0, Duration::ZERO);
    for (pause, event) in history {
        if let Event::Scale(replicas) = event {
            wanted = replicas;
        }
        if let Event::Request(millis) = event {
            work += Duration::from_millis(millis);
        }
        scene.happen(event).await;
        sleep(Duration::from_millis(pause)).await;
    }
    scene.scale_to(wanted.max(1)).await;
    scene.happen(Event::ApiServer(true)).await;
    scene.happen(Event::Alone(true)).await;
    scene.happen(Event::Controller(true)).await;
    scene.cluster.0.lock().answers.clear();
    sleep(GRACE + 40 * SECOND).await;
    if leaving == LeavingOrder::DeletionCost {
        prop_assert!(without_hope(&scene) <= 1, "{:?}", scene.cluster.names());
    }
    scene.cluster.change(|inside| {
        (inside.room, inside.quota) = (u32::MAX, u32::MAX);
        if leaving == LeavingOrder::Ordinal {
            inside.try_again();
        }
    });
    // Whoever waited is answered within what a single replica needs for all of it, and for killed ones
    // again.
    let end = Instant::now() + work + 60 * SECOND;
    while !at_rest(&scene) && Instant::now() < end {
        sleep(SECOND).await;
    }
    prop_assert!(at_rest(&scene), "{:?}", scene.throttler.read());
    // After things have settled the number is the wish.
    scene.scale_to(wanted).await;
    sleep(60 * SECOND).await;
    let alive = scene.cluster.alive();
    prop_assert_eq!(scene.cluster.replicas(), wanted);
    prop_assert_eq!(alive.len(), wanted as usize);
    prop_assert_eq!(idle(&scene), wanted as usize);
    prop_assert!(alive.iter().all(|pod| pod.view.deletion_cost.is_none()));
    let inside = scene.cluster.0.lock();
    prop_assert_eq!(&inside.late, &Vec::<String>::new());
    prop_assert!(inside.fullest <= LIMIT, "{}", inside.fullest);
    if leaving == LeavingOrder::DeletionCost {
        prop_assert_eq!(&inside.wronged, &Vec::<String>::new());
    }
    Ok(())
}

fn run(leaving: LeavingOrder, history: Vec<(u64, Event)>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(live(leaving, history))
}

/// A few histories each time, many with `HOLDGATE_LONG=1`.
fn cases() -> ProptestConfig {
    let long = std::env::var_os("HOLDGATE_LONG").is_some();
    ProptestConfig {
        cases: if long { 300 } else { 12 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_busy_pod_is_taken_beside_an_idle_one_and_the_number_becomes_the_wish(history in history()) {
        run(LeavingOrder::DeletionCost, history)?;
    }

    #[test]
    fn the_number_of_a_stateful_set_becomes_the_wish_too(history in history()) {
        run(LeavingOrder::Ordinal, history)?;
    }
}
