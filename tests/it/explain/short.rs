//! What is read where replicas that are wanted cannot come, word for word.

use holdgate::autoscale::Shortage;

use super::golden::{check, defaults};
use super::scene::Scene;

#[test]
fn held_by_what_the_machine_has() {
    let mut scene = Scene::new(defaults);
    scene.most = Some((1, Shortage::NoFreeGpu));
    check(
        &scene.load(3, 20),
        3,
        "
        no_free_gpu
        1 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: no free GPU
        3 asked for by concurrency over 60 s
        1 of 3 for now: no free GPU",
    );
    let mut scene = Scene::new(defaults);
    scene.most = Some((2, Shortage::MaxProcesses));
    check(&scene.load(3, 20), 3, "
        max_processes
        2 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: as many processes run as may (--max-processes)
        3 asked for by concurrency over 60 s
        2 of 3 for now: --max-processes");
}

#[test]
fn held_by_what_the_cluster_has() {
    let lives = |shortage| {
        let mut scene = Scene::new(defaults);
        scene.most = Some((1, shortage));
        scene.load(3, 20)
    };
    let scene = lives(Shortage::NoNode);
    check(
        &scene,
        3,
        "
        unschedulable
        1 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: no node has room for more
        3 asked for by concurrency over 60 s
        1 of 3 for now: no node",
    );
    let told = scene.told(3).to_string();
    let ahead = "  ahead     2 more replicas as soon as a node has room\n";
    assert!(told.contains(ahead), "{told}");
    check(
        &lives(Shortage::Quota),
        3,
        "
        quota
        1 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: a quota allows no more
        3 asked for by concurrency over 60 s
        1 of 3 for now: a quota",
    );
    check(
        &lives(Shortage::Refused),
        3,
        "
        refused
        1 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: its controller may not make more
        3 asked for by concurrency over 60 s
        1 of 3 for now: a policy of the cluster",
    );
}
