//! Several revisions at one machine: devices of their own, and who gives up a place to whom.

use super::machine::Script;
use super::*;
use crate::autoscale::Shortage;
use crate::revision::ReplicaId;

fn devices(names: &[&str]) -> Places {
    Places::with_devices(16, names.iter().map(|&name| name.into()).collect())
}

/// A revision whose replicas need so many devices each.
fn model(name: &str, gpus: u32, places: &Places) -> Scene {
    let spec = ProcessSpec {
        gpus,
        ..spec("serve")
    };
    Scene::of(name, spec, Machine::default(), places.clone())
}

impl Scene {
    /// What each process that runs was given.
    fn devices(&self) -> Vec<Vec<String>> {
        let processes = self.machine.processes().into_iter();
        let running = processes.filter(machine::Process::is_running);
        running.map(|process| process.devices).collect()
    }

    /// Requests come while nothing serves, and replicas are asked for.
    async fn is_woken(&self) {
        self.requests.wait(true);
        self.scale_to(1).await;
    }

    async fn runs(&self) -> usize {
        self.after(SECOND / 2).await;
        self.machine.running().len()
    }
}

#[tokio::test(start_paused = true)]
async fn each_replica_has_devices_of_its_own_until_nothing_is_left_of_it() {
    let places = devices(&["0", "1"]);
    let mut scene = model("flowers", 1, &places);
    scene.machine.ignore_term();
    scene.scale_to(3).await;

    let world = scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(scene.devices(), [["0"], ["1"]]);
    assert_eq!(world.shortage, Some(Shortage::NoFreeGpu));
    let told = world.diagnosis.expect("why the third does not come");
    assert_eq!(told, "no GPU is free; in use by flowers");

    // The next process gets the device only when the one before is gone, however long that takes.
    let mut other = model("roses", 1, &places);
    other.scale_to(1).await;
    scene.scale_to(1).await;
    other.after(29 * SECOND).await;
    assert_eq!(other.machine.processes().len(), 0);
    other.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(scene.devices(), [["1"]]);
    assert_eq!(other.devices(), [["0"]]);
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_device_waits_for_none_and_is_given_none() {
    let places = devices(&["0"]);
    let mut with = model("flowers", 1, &places);
    with.ready(1).await;
    let mut without = model("roses", 0, &places);

    without.ready(2).await;

    assert_eq!(without.devices(), [[""; 0], []]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_replica_of_all_gives_up_its_place_at_once() {
    let places = Places::new(3);
    let mut others = ["a", "b", "c"].map(|name| model(name, 0, &places));
    for other in &mut others {
        other.ready(1).await;
    }
    for n in [1, 0, 2] {
        others[n].requests.hold(ReplicaId(1), 1);
        others[n].after(SECOND).await;
        others[n].requests.finish(ReplicaId(1));
    }
    let mut late = model("d", 0, &places);
    let asked = Instant::now();

    late.is_woken().await;

    late.world
        .wait_for(|world| counts(world) == (1, 0, 0))
        .await
        .expect("it starts");
    assert_eq!(asked.elapsed(), Duration::ZERO);
    let [a, b, c] = &others;
    assert_eq!([a.runs().await, b.runs().await, c.runs().await], [1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_replica_is_taken_the_moment_it_is_idle_and_not_before() {
    let places = devices(&["0"]);
    let mut first = model("a", 1, &places);
    first.ready(1).await;
    first.requests.hold(ReplicaId(1), 1);
    let mut second = model("b", 1, &places);
    second.is_woken().await;

    let world = second.after(3600 * SECOND).await;
    assert_eq!(
        (counts(&world), world.shortage),
        ((0, 0, 0), Some(Shortage::NoFreeGpu))
    );
    first.requests.finish(ReplicaId(1));
    let ended = Instant::now();

    second
        .world
        .wait_for(|world| counts(world) == (1, 0, 0))
        .await
        .expect("it starts");
    assert_eq!(ended.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_without_requests_that_wait() {
    let places = devices(&["0"]);
    let (mut first, second) = (model("a", 1, &places), model("b", 1, &places));
    first.ready(1).await;
    second.scale_to(1).await;
    assert_eq!(counts(&second.after(3600 * SECOND).await), (0, 0, 0));

    // The first request takes it, though nothing else was asked for since.
    second.requests.wait(true);
    assert_eq!(counts(&second.after(SECOND / 2).await), (1, 0, 0));
    second.requests.wait(false);

    // The one that lost it wants it still, and gets it back when it is free.
    assert_eq!(counts(&first.after(3600 * SECOND).await), (0, 0, 0));
    second.scale_to(0).await;
    first.sees(|world| counts(world) == (0, 1, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn as_many_replicas_as_are_always_wanted_are_never_taken() {
    let places = Places::new(3);
    let mut first = model("a", 0, &places);
    first.supervisor.set_min_replicas(2);
    first.ready(3).await;
    let [second, third] = ["b", "c"].map(|name| model(name, 0, &places));

    second.is_woken().await;
    second.after(SECOND / 2).await;
    third.is_woken().await;
    second.requests.hold(ReplicaId(1), 1);
    third.after(3600 * SECOND).await;
    let running = [first.runs().await, second.runs().await, third.runs().await];
    assert_eq!(running, [2, 1, 0]);

    first.supervisor.set_min_replicas(1);
    first.requests.stir();
    assert_eq!((first.runs().await, third.runs().await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_taken_is_replaced_in_its_turn_when_requests_come_again() {
    let places = Places::new(1);
    let (mut first, second) = (model("a", 0, &places), model("b", 0, &places));
    first.ready(1).await;
    second.is_woken().await;
    second.requests.hold(ReplicaId(1), 1);
    second.after(2 * SECOND).await;
    second.requests.wait(false);

    first.requests.wait(true);
    assert_eq!(first.runs().await, 0);
    second.requests.finish(ReplicaId(1));

    first.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(second.machine.running(), []);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_who_has_the_device_now() {
    let places = devices(&["0"]);
    let [mut first, second, mut third] = ["a", "b", "c"].map(|name| model(name, 1, &places));
    first.ready(1).await;
    first.requests.hold(ReplicaId(1), 1);
    second.is_woken().await;
    third.scale_to(1).await;
    let told = |world: &World, whose: &str| {
        let told = world.diagnosis.as_deref().unwrap_or_default();
        told == format!("no GPU is free; in use by {whose}")
    };
    third.sees(|world| told(world, "a")).await;

    first.requests.finish(ReplicaId(1));

    assert_eq!(second.runs().await, 1);
    third.sees(|world| told(world, "b")).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_start_at_once_than_may_also_when_many_have_crashed() {
    let mut scene = Scene::new();
    scene.ready(4).await;
    scene.supervisor.set_max_starting(Some(2));
    scene.machine.next([Script::CrashAfter(millis(100))]);
    for id in 1..=4 {
        scene.machine.crash(ReplicaId(id));
    }

    let mut most = 0;
    for _ in 0..200 {
        most = most.max(scene.after(millis(20)).await.count(ReplicaState::Starting));
    }

    assert_eq!((most, counts(&scene.after(SECOND).await)), (2, (0, 4, 0)));
    scene.supervisor.set_max_starting(None);
    scene.scale_to(9).await;
    assert_eq!(
        scene.after(millis(100)).await.count(ReplicaState::Starting),
        5
    );
}
