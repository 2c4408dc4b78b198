use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::time::Instant;

use super::super::ending::{Budgets, end};
use super::*;
use crate::app::drain::Signals;
use crate::proxy::{Proxy, TcpDial};
use crate::server::Server;

#[tokio::test(start_paused = true)]
async fn a_gateway_that_ends_steers_nothing_and_serves_until_nobody_is_sent_there() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let inside = scene.ask("m.ns").admitted();
    let waits = scene.ask("m.ns").waits();
    let proxy = Arc::new(Proxy::new(Arc::clone(&scene.registry), TcpDial));
    let server = Server::new(proxy, 10);
    let mut signals = Signals::listen().expect("signals");
    let (begun, resigned) = (Instant::now(), AtomicBool::new(false));
    let pods = scene.cluster.pods_of("m.ns").expect("it is ours");
    let asked = scene.cluster.asked("m.ns");
    let budgets = Budgets {
        spread: secs(5),
        drain: secs(30),
    };
    let resign = async {
        assert!(!pods.tenure.borrow().steers, "before another may");
        resigned.store(true, Ordering::Relaxed);
    };
    let (registry, cluster) = (Arc::clone(&scene.registry), Arc::clone(&scene.cluster));
    let story = async {
        tokio::time::sleep(secs(1)).await;
        assert!(resigned.load(Ordering::Relaxed), "at once");
        drop(inside);
        let permit = waits.await.expect("served on");
        tokio::time::sleep(secs(3)).await;
        let revision = registry.by_host("m.ns").expect("it is there");
        drop(permit);
        assert!(matches!(revision.throttler.arrive(0), Arrival::Admitted(_)));
    };
    let ended = end(scene.gateway, &server, &mut signals, budgets, resign);
    let (ended, ()) = tokio::join!(ended, story);
    ended.expect("nothing was cut");
    assert_eq!(begun.elapsed(), secs(5));
    assert_eq!(cluster.asked("m.ns"), asked, "pods are left as they are");
}
