//! What a supervisor promises, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::places::Places;
use super::simulated::{Machine, Requests, Script};
use super::spec::{ProcessSpec, Readiness};
use super::supervisor::{Settings, Supervisor};
use crate::ports::{OutageReason, ReplicaState, Scaler, World};
use crate::revision::{ReplicaId, RevisionId};
use crate::stats::Stats;

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
        let requests = Requests::new();
        let stats = Arc::new(Stats::new());
        let settings = Settings {
            revision: RevisionId::new("flowers"),
            stats: Arc::clone(&stats),
            failed_starts: 3,
        };
        let seams = (machine.clone(), machine.clone());
        let supervisor =
            Supervisor::start(settings, spec("serve"), seams, places, requests.clone());
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
        self.supervisor.scale_to(replicas).await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn starting_replicas_are_in_the_world_before_they_are_ready() {
    let mut scene = Scene::new();
    scene.scale_to(2).await;
    assert_eq!(counts(&scene.after(millis(500)).await), (2, 0, 0));

    let world = scene.sees(|world| counts(world) == (0, 2, 0)).await;

    let start = world.typical_start.unwrap();
    assert!(start >= SECOND && start <= SECOND + millis(30), "{start:?}");
    assert_eq!(scene.machine.processes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_seen_ready_within_one_look() {
    let mut scene = Scene::new();
    scene.machine.next([Script::ReadyAfter(millis(400))]);
    let asked = Instant::now();
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| counts(world) == (0, 1, 0))
        .await
        .unwrap();
    assert!(asked.elapsed() <= millis(402 + 25), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_typical_start_follows_the_newest_slowly() {
    let mut scene = Scene::new();
    scene.machine.next([
        Script::ReadyAfter(millis(998)),
        Script::ReadyAfter(millis(1998)),
    ]);
    scene.ready(1).await;

    let typical = scene.ready(2).await.typical_start.unwrap();

    assert!(
        typical >= millis(1300) && typical <= millis(1350),
        "{typical:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lower_wish_takes_back_the_newest_start_first() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.scale_to(3).await;
    scene.after(millis(500)).await;

    scene.scale_to(2).await;

    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1), ReplicaId(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_replica_goes_before_a_busy_one() {
    let mut scene = Scene::new();
    scene.ready(3).await;
    scene.requests.hold(ReplicaId(1), 1);
    scene.requests.hold(ReplicaId(3), 1);

    scene.scale_to(2).await;

    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1), ReplicaId(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_replica_is_never_stopped_however_long_its_stream_runs() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 1);

    scene.scale_to(0).await;
    assert_eq!(counts(&scene.after(24 * 3600 * SECOND).await), (0, 0, 1));
    assert_eq!(scene.machine.running(), [ReplicaId(1)]);

    scene.requests.finish(ReplicaId(1));
    scene.sees(|world| world.replicas.is_empty()).await;
    assert_eq!(scene.machine.running(), []);
    assert!(scene.machine.processes()[0].terminated.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_higher_wish_revives_before_it_starts() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    scene.requests.hold(ReplicaId(2), 2);
    scene.scale_to(0).await;
    scene.sees(|world| counts(world) == (0, 0, 2)).await;

    scene.scale_to(3).await;

    scene.sees(|world| counts(world) == (0, 3, 0)).await;
    assert_eq!(scene.machine.processes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_has_just_gone_is_not_revived() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(2), 1);
    scene.scale_to(0).await;
    scene
        .world
        .wait_for(|world| counts(world) == (0, 0, 1))
        .await
        .unwrap();

    scene.scale_to(2).await;

    let world = scene.sees(|world| counts(world) == (0, 2, 0)).await;
    let ids: Vec<_> = world.replicas.iter().map(|r| r.id).collect();
    assert_eq!(ids, [ReplicaId(2), ReplicaId(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ignores_sigterm_is_killed_after_its_time() {
    let mut scene = Scene::new();
    scene.machine.ignore_term();
    scene.ready(1).await;

    scene.scale_to(0).await;
    scene.after(2 * STOP_TIMEOUT).await;

    let process = &scene.machine.processes()[0];
    assert_eq!(
        process.killed.unwrap() - process.terminated.unwrap(),
        STOP_TIMEOUT
    );
}

#[tokio::test(start_paused = true)]
async fn a_crashed_replica_leaves_the_world_at_once_and_is_replaced_without_being_asked() {
    let mut scene = Scene::new();
    scene.ready(3).await;

    scene.machine.crash(ReplicaId(2));

    let world = scene.after(millis(1)).await;
    assert_eq!(counts(&world), (1, 2, 0));
    assert!(
        world
            .replicas
            .iter()
            .all(|replica| replica.id != ReplicaId(2))
    );
    scene.sees(|world| counts(world) == (0, 3, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn restarts_pause_longer_and_longer_until_a_replica_has_stayed() {
    let mut scene = Scene::new();
    scene.scale_to(1).await;
    for crashes in 1..=4 {
        scene.sees(|world| counts(world) == (0, 1, 0)).await;
        scene.machine.crash(ReplicaId(crashes));
        scene.sees(|world| counts(world) == (1, 0, 0)).await;
    }
    let launches: Vec<Instant> = scene
        .machine
        .processes()
        .iter()
        .map(|p| p.launched)
        .collect();
    let between: Vec<Duration> = launches.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Each lived for the same time; what grew is the pause.
    for (at, pause) in [(1, 100), (2, 200), (3, 400)] {
        let grown = between[at] - between[0];
        assert!(
            grown.abs_diff(millis(pause)) <= millis(30),
            "{at}: {grown:?}"
        );
    }

    scene.sees(|world| counts(world) == (0, 1, 0)).await;
    sleep(10 * SECOND).await;
    scene.machine.crash(ReplicaId(5));
    assert_eq!(counts(&scene.after(millis(1)).await), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn crashes_in_a_row_become_an_outage_that_names_the_reason() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 3]);

    scene.scale_to(1).await;
    let world = scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap()
        .clone();

    let outage = world.outage.unwrap();
    assert_eq!(outage.reason, OutageReason::ColdStartFailed);
    assert_eq!(
        outage.detail,
        "the process ended with exit status: 1\nno such model"
    );
    let next = outage.next_attempt.unwrap() - Instant::now().into_std();
    assert_eq!(next, millis(200));
    assert_eq!(scene.machine.processes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_next_attempt_and_its_success_ends_the_outage() {
    let mut scene = Scene::new();
    let crash = Script::CrashAfter(millis(50));
    scene
        .machine
        .next([crash.clone(), crash.clone(), crash.clone(), crash]);
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();

    let world = scene
        .world
        .wait_for(|world| counts(world).0 == 1)
        .await
        .unwrap()
        .clone();
    assert_eq!(world.outage, None);
    // The count goes on: one crash more is enough.
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();
    assert_eq!(scene.machine.processes().len(), 4);

    let world = scene.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(world.outage, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_wish_the_outage_ends_with_its_pause_and_the_next_request_tries_again() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 3]);
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();

    scene.scale_to(0).await;
    assert!(scene.after(millis(190)).await.outage.is_some());
    assert_eq!(scene.after(millis(20)).await.outage, None);

    assert_eq!(scene.machine.processes().len(), 3);
    scene.ready(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_ready_replica_means_no_outage_however_often_others_crash() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 6]);

    scene.scale_to(2).await;

    for _ in 0..60 {
        assert_eq!(scene.after(millis(50)).await.outage, None);
    }
    assert!(scene.machine.processes().len() >= 6);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_run_is_an_outage_at_once() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::NotRunnable; 10]);
    scene.scale_to(1).await;

    let world = scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap()
        .clone();

    assert_eq!(
        world.outage.unwrap().detail,
        "could not run 'foo': No such file or directory"
    );
    assert_eq!(scene.machine.processes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_listens_elsewhere_is_named_while_it_starts() {
    let mut scene = Scene::new();
    scene.machine.next([Script::Elsewhere(8000)]);
    scene.scale_to(1).await;
    assert_eq!(scene.after(millis(2900)).await.diagnosis, None);

    let world = scene.after(millis(200)).await;

    let port = world.replicas[0].endpoint.0.port();
    let named = format!(
        "the process listens on 8000 instead of {port}: does the command use {{port}} or $PORT?"
    );
    assert_eq!(world.diagnosis, Some(named));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_becomes_ready_is_killed_and_its_answer_named() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::NotFound; 3]);
    scene.scale_to(1).await;
    let world = scene.after(5 * SECOND).await;
    let port = world.replicas[0].endpoint.0.port();
    assert_eq!(
        world.diagnosis,
        Some(format!("port {port} answers GET /up with 404 Not Found"))
    );

    let given_up = 3 * 600 * SECOND;
    let outage = timeout(
        given_up + SECOND,
        scene.world.wait_for(|world| world.outage.is_some()),
    );
    let detail = outage
        .await
        .unwrap()
        .unwrap()
        .outage
        .clone()
        .unwrap()
        .detail
        .clone();

    assert!(
        detail.contains("answers GET /up with 404 Not Found after 600s"),
        "{detail}"
    );
    assert!(
        scene
            .machine
            .processes()
            .iter()
            .all(|process| process.killed.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_listens_is_asked_about_its_port() {
    let mut scene = Scene::new();
    scene.machine.next([Script::ReadyAfter(3600 * SECOND)]);
    scene.scale_to(1).await;
    let world = scene.sees(|world| world.diagnosis.is_some()).await;
    let port = world.replicas[0].endpoint.0.port();
    let question = "does the command use {port} or $PORT?";
    assert_eq!(
        world.diagnosis.unwrap(),
        format!("nothing listens on port {port} yet; {question}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_starts_new_replicas_at_once_and_lets_old_streams_run_on() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);

    scene.supervisor.replace(spec("serve-v2"));

    scene.sees(|world| counts(world) == (0, 2, 1)).await;
    assert_eq!(
        scene.machine.running(),
        [ReplicaId(1), ReplicaId(3), ReplicaId(4)]
    );
    assert_eq!(scene.machine.processes()[2].spec.command[0], "serve-v2");
    scene.requests.finish(ReplicaId(1));
    scene.sees(|world| counts(world) == (0, 2, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_the_old_spec_is_never_revived() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 9);
    scene.supervisor.replace(spec("serve-v2"));
    scene.sees(|world| counts(world) == (0, 1, 1)).await;
    scene.requests.hold(ReplicaId(2), 1);
    scene.scale_to(0).await;
    scene.sees(|world| counts(world) == (0, 0, 2)).await;

    scene.scale_to(1).await;

    let world = scene.sees(|world| counts(world) == (0, 1, 1)).await;
    assert_eq!(world.replicas[1].id, ReplicaId(2));
    assert_eq!(world.replicas[1].state, ReplicaState::Ready);
    assert_eq!(scene.machine.processes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_spec_again_changes_nothing() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.supervisor.replace(spec("serve"));
    scene.after(SECOND).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1)]);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_busy_ones_until_the_deadline() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let begun = Instant::now();

    scene.supervisor.stop(begun + 20 * SECOND).await;

    assert_eq!(begun.elapsed(), 20 * SECOND);
    let processes = scene.machine.processes();
    assert_eq!(processes[0].terminated, Some(begun + 20 * SECOND));
    assert!(processes[1].terminated.unwrap() < begun + SECOND);
    let reason = scene.world.borrow().outage.clone().unwrap().reason;
    assert_eq!(reason, OutageReason::Draining);
    assert!(scene.supervisor.scale_to(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn killing_ends_everything_at_once_even_while_stopping() {
    let mut scene = Scene::new();
    scene.machine.ignore_term();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let begun = Instant::now();
    let stopping = tokio::spawn({
        let supervisor = scene.supervisor.clone();
        async move { supervisor.stop(begun + 3600 * SECOND).await }
    });
    scene.after(SECOND).await;

    scene.supervisor.kill().await;

    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(scene.machine.running(), []);
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_supervisor_drains_without_cutting_a_stream() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let Scene {
        machine,
        requests,
        supervisor,
        ..
    } = scene;

    drop(supervisor);
    sleep(3600 * SECOND).await;
    assert_eq!(machine.running(), [ReplicaId(1)]);

    requests.finish(ReplicaId(1));
    sleep(SECOND).await;
    assert_eq!(machine.running(), []);
}

#[tokio::test(start_paused = true)]
async fn no_more_processes_than_places_and_the_wait_for_one_is_explained() {
    let places = Places::new(3);
    let mut first = Scene::on(Machine::default(), places.clone());
    let mut second = Scene::on(Machine::default(), places);
    first.ready(2).await;

    second.scale_to(2).await;
    let world = second.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(
        world.diagnosis.unwrap(),
        "3 processes is the most --max-processes allows"
    );

    first.scale_to(1).await;
    let world = second.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(world.diagnosis, None);
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_is_taken_back_leaves_the_place_to_others() {
    let places = Places::new(1);
    let mut first = Scene::on(Machine::default(), places.clone());
    let mut second = Scene::on(Machine::default(), places.clone());
    let mut third = Scene::on(Machine::default(), places);
    first.ready(1).await;
    second.scale_to(1).await;
    second.sees(|world| world.diagnosis.is_some()).await;
    third.scale_to(1).await;

    second.scale_to(0).await;
    first.scale_to(0).await;

    third.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(second.machine.processes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_start_is_counted_as_ready_or_failed() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 2]);
    scene.ready(1).await;
    scene.scale_to(2).await;
    scene.after(millis(500)).await;
    // One that is taken back while it starts is neither.
    scene.scale_to(1).await;
    scene.after(SECOND).await;

    let counts = scene.stats.cold_starts.each_ref().map(|count| count.get());
    assert_eq!(counts, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn nine_hundred_cold_starts_with_random_kills_all_come_to_a_ready_replica() {
    let mut scene = Scene::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..900 {
        // xorshift64: the same kills in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        scene.scale_to(1).await;
        sleep(millis(state % 1500)).await;
        for replica in scene.machine.running() {
            scene.machine.crash(replica);
        }
        scene.sees(|world| counts(world) == (0, 1, 0)).await;
        assert_eq!(scene.machine.running().len(), 1, "round {round}");
        scene.scale_to(0).await;
        scene.sees(|world| world.replicas.is_empty()).await;
        assert_eq!(scene.machine.running(), []);
    }
}
