//! The roll of the other gateways.

use super::*;
use crate::peers::{GatewayPod, PodState};

const AT: &str = "10.0.0.7";

fn container(state: &Value, restarts: u32) -> Value {
    let mut pod = pod("b", false, None);
    pod["status"]["podIP"] = AT.into();
    pod["spec"]["nodeName"] = "node-2".into();
    pod["status"]["containerStatuses"][0]["state"] = state.clone();
    pod["status"]["containerStatuses"][0]["restartCount"] = restarts.into();
    pod
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + seconds(second)
}

fn running(second: u64) -> Value {
    json!({ "running": { "startedAt": timestamp(at(second)).to_string() } })
}

fn terminated(second: u64) -> Value {
    let finished = timestamp(at(second)).to_string();
    json!({ "terminated": { "exitCode": 1, "finishedAt": finished } })
}

async fn seen(server: &Server, ours: &Reign, pod: Value) -> Option<GatewayPod> {
    server.put(&format!("{PODS}/b"), pod);
    pass(seconds(2)).await;
    ours.roll.borrow().others.first().cloned()
}

#[tokio::test(start_paused = true)]
async fn a_gateway_holds_nothing_before_it_runs_and_lives_until_it_is_known_to_have_ended() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    assert_eq!(
        (ours.roll.borrow().seen, ours.roll.borrow().is_alone()),
        (None, false)
    );
    pass(seconds(1)).await;
    assert!(ours.roll.borrow().is_alone(), "it is not another");

    let mut new = container(&json!({}), 0);
    new["status"] = Value::Null;
    let waiting = || container(&json!({ "waiting": { "reason": "ContainerCreating" } }), 0);
    for coming in [new, waiting()] {
        let pod = seen(&server, &ours, coming).await.expect("it is there");
        assert_eq!(pod.state, PodState::Coming);
    }
    assert!(!ours.roll.borrow().is_alone(), "it is on its way");

    let unready = seen(&server, &ours, container(&running(100), 0))
        .await
        .expect("it is there");
    assert_eq!((unready.state, unready.restarted), (PodState::Living, None));
    assert_eq!(unready.node.as_deref(), Some("node-2"));
    assert_eq!(
        (unready.since, unready.ip),
        (Some(at(100)), AT.parse().ok())
    );
    assert_eq!((&*unready.uid, &*unready.name), ("uid-b", "b"));
    assert_eq!(ours.roll.borrow().living().count(), 1);

    let mut leaving = container(&running(100), 0);
    leaving["metadata"]["deletionTimestamp"] = timestamp(wall()).to_string().into();
    leaving["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    let pod = seen(&server, &ours, leaving.clone())
        .await
        .expect("it is there");
    pass(seconds(600)).await;
    assert_eq!(pod.state, PodState::Living, "nobody says that it has ended");

    leaving["status"]["containerStatuses"][0]["state"] = terminated(200);
    let ended = now();
    let pod = seen(&server, &ours, leaving)
        .await
        .expect("it is remembered");
    assert_eq!((pod.state, pod.restarted), (PodState::Ended(ended), None));
    assert!(ours.roll.borrow().is_alone());
    server.delete(&format!("{PODS}/b"));
    pass(seconds(3600)).await;
    let pod = ours.roll.borrow().others[0].clone();
    assert_eq!(pod.state, PodState::Ended(ended), "since the first time");
    assert_eq!(pod.ended(at(1_000_000)), Some(ended));

    // One that never ran, and is gone.
    server.put(&format!("{PODS}/c"), self::pod("c", false, None));
    let mut pending = self::pod("c", false, None);
    pending["status"]["containerStatuses"] = json!([]);
    pending["status"]["phase"] = "Pending".into();
    pending["metadata"]["uid"] = "uid-d".into();
    server.put(&format!("{PODS}/d"), pending);
    pass(seconds(1)).await;
    assert_eq!(ours.roll.borrow().others.len(), 3);
    server.delete(&format!("{PODS}/d"));
    pass(seconds(1)).await;
    assert_eq!(ours.roll.borrow().others.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_started_again_tells_which_lives_have_ended_and_since_when() {
    let server = Server::default();
    let ours = gateway(&server, "a");
    seen(&server, &ours, container(&running(100), 0)).await;
    let ended = now();
    let pod = seen(&server, &ours, container(&terminated(150), 0))
        .await
        .expect("it is there");
    assert_eq!(pod.state, PodState::Ended(ended));
    assert_eq!(pod.ended(at(101)), Some(ended));
    assert_eq!(pod.ended(at(151)), None, "that is the next one");
    pass(seconds(60)).await;

    let mut again = container(&running(160), 1);
    again["status"]["containerStatuses"][0]["lastState"] = terminated(150);
    let pod = seen(&server, &ours, again).await.expect("it is there");
    assert_eq!((pod.state, pod.since), (PodState::Living, Some(at(160))));
    assert!(pod.ended(at(101)).is_some() && pod.ended(at(161)).is_none());

    // Nobody remembers how it ended.
    let heard = now();
    let pod = seen(&server, &ours, container(&running(300), 2))
        .await
        .expect("it is there");
    assert_eq!(pod.ended(at(161)), Some(heard));
    assert_eq!(pod.ended(at(301)), None);
    let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let mut crashed = container(&waits, 2);
    crashed["status"]["containerStatuses"][0]["lastState"] = terminated(310);
    let crash = now();
    let pod = seen(&server, &ours, crashed).await.expect("it is there");
    assert_eq!(
        (pod.state, pod.ended(at(301))),
        (PodState::Ended(crash), Some(crash))
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_container_beside_the_gateways_says_nothing() {
    let server = Server::default();
    let ours = gateway(&server, "a");
    let mut two = container(&running(100), 0);
    let mut mesh = two["status"]["containerStatuses"][0].clone();
    mesh["name"] = "mesh".into();
    mesh["restartCount"] = 7.into();
    mesh["lastState"] = terminated(500);
    two["status"]["containerStatuses"] = json!([mesh, two["status"]["containerStatuses"][0]]);
    let pod = seen(&server, &ours, two.clone())
        .await
        .expect("it is there");
    assert_eq!((pod.state, pod.ended(at(101))), (PodState::Living, None));
    two["status"]["containerStatuses"][1]["name"] = "holdgate".into();
    let pod = seen(&server, &ours, two).await.expect("it is there");
    assert_eq!(
        (pod.state, pod.ended(at(101))),
        (PodState::Living, None),
        "which is ours?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_went_while_nobody_watched_has_ended_when_that_is_seen() {
    let server = Server::default();
    let ours = gateway(&server, "a");
    seen(&server, &ours, container(&running(100), 0)).await;
    server.fail_always(Some(Fault::Away));
    pass(seconds(60)).await;
    assert_eq!(
        ours.roll.borrow().living().count(),
        1,
        "as it was last seen"
    );
    server.delete(&format!("{PODS}/b"));
    server.fail_always(None);
    pass(seconds(5)).await;
    let PodState::Ended(at) = ours.roll.borrow().others[0].state else {
        panic!("it has ended");
    };
    assert!(now().saturating_duration_since(at) <= seconds(5));
}
