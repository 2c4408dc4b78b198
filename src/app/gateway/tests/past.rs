//! What comes to pods past every gateway, as their sidecars say, is demand.

use serde_json::json;

use super::*;
use crate::loads::{Load, Pod, Rates};
use crate::sync::now;

/// Requests at the sidecar of a pod, so many of them a gateway's.
fn load(uid: &str, all: u32, proxied: u32) -> Load {
    let (average, average_proxied) = (f64::from(all), f64::from(proxied));
    Load {
        pod: Pod {
            uid: uid.to_owned(),
            ..Pod::default()
        },
        uptime_seconds: 1.0,
        in_flight: all,
        queued: 0,
        proxied,
        rates: Rates {
            average_concurrency: average,
            average_proxied_concurrency: average_proxied,
            requests_per_second: average,
            proxied_requests_per_second: average_proxied,
        },
    }
}

impl Scene {
    /// A sidecar says the same for so long, each second.
    async fn says(&self, seconds: u64, uid: &str, (all, proxied): (u32, u32)) {
        for _ in 0..seconds {
            let taken = self.board.loads().take(load(uid, all, proxied), now());
            assert!(taken, "it says who it is");
            tokio::time::sleep(secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_past_the_gateway_is_served_by_more_replicas_and_keeps_the_last() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "target": 2 }))).await;
    scene.says(70, "pod-0", (6, 0)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&3));
    // One of them is left, for longer than a window and the grace period.
    scene.says(300, "pod-0", (1, 0)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&1));
    scene.says(300, "pod-0", (0, 0)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_has_sent_is_not_counted_again() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "target": 2 }))).await;
    let _inside = [(); 2].map(|()| scene.ask("m.ns").admitted());
    scene.says(100, "pod-0", (2, 2)).await;
    assert_eq!(scene.cluster.asked("m.ns"), [1], "two are what one serves");
    scene.says(100, "pod-0", (4, 2)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_of_nobodys_pod_changes_nothing_and_one_that_falls_silent_takes_nothing_away() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "target": 2 }))).await;
    scene.says(70, "somebody", (40, 0)).await;
    assert_eq!(scene.cluster.asked("m.ns"), [1]);
    scene.says(70, "pod-0", (6, 0)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&3));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(
        scene.cluster.asked("m.ns").last(),
        Some(&3),
        "it may have as much to do as before"
    );
}
