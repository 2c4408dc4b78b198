//! Who steers, and who is alone, in virtual time before an API server that fails when told to.

mod others;
mod reigns;
mod roll;
mod token;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::*;
use crate::backend::kubernetes::call::timestamp;
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::sync::wall;

const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/holdgate-system/leases/holdgate-gateway";
const PODS: &str = "/api/v1/namespaces/holdgate-system/pods";

fn identity(name: &str) -> PodIdentity {
    PodIdentity {
        namespace: "holdgate-system".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        selector: "app=gateway".to_owned(),
    }
}

fn gateway(server: &Server, name: &str) -> Reign {
    Reign::start(&server.client(), Some(identity(name)))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

impl Reign {
    fn steers(&self) -> bool {
        self.tenure.borrow().steers
    }

    fn alone(&self) -> bool {
        self.tenure.borrow().heard
    }

    /// Waits until it steers, and how long that takes.
    async fn comes(&self) -> Duration {
        let begun = now();
        let mut tenure = self.tenure();
        tenure.wait_for(|tenure| tenure.steers).await.unwrap();
        now().saturating_duration_since(begun)
    }
}

/// The pod that holds it.
fn holder(server: &Server) -> String {
    let holder = server.get(LEASE).unwrap()["spec"]["holderIdentity"].clone();
    let holder = holder.as_str().unwrap().to_owned();
    holder.split('_').next().unwrap().to_owned()
}

/// A pod as kubelet tells it; `leaves` with a deletion timestamp.
fn pod(name: &str, ready: bool, leaves: Option<SystemTime>) -> Value {
    json!({
        "metadata": {
            "name": name,
            "uid": format!("uid-{name}"),
            "creationTimestamp": timestamp(SystemTime::UNIX_EPOCH).to_string(),
            "deletionTimestamp": leaves.map(|at| timestamp(at).to_string()),
            "deletionGracePeriodSeconds": leaves.map(|_| 30),
        },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
            "containerStatuses": [{
                "name": "gateway", "ready": ready, "restartCount": 0, "image": "", "imageID": "",
                "state": { "running": {} },
            }],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_takes_the_lease_and_keeps_it() {
    let server = Server::default();
    let first = gateway(&server, "a");
    assert!(first.comes().await < seconds(1));
    let second = gateway(&server, "b");
    let mut ever = second.tenure();
    ever.mark_unchanged();
    for _ in 0..120 {
        pass(seconds(1)).await;
        assert!(first.steers() && !second.steers());
    }
    let lease = server.get(LEASE).unwrap();
    assert_eq!(holder(&server), "a");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 6);
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    let renewals = server.count("PUT");
    assert!((78..=81).contains(&renewals), "{renewals} in two minutes");
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_back_is_the_next_ones_at_once() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    pass(seconds(60)).await;
    let (first, second) = if first.steers() {
        (first, second)
    } else {
        (second, first)
    };
    let mut told = second.tenure();
    told.mark_unchanged();
    let (took, ()) = tokio::join!(second.comes(), first.abdicate());
    assert!(took < seconds(1), "{took:?}");
    assert!(!first.steers());
    pass(seconds(60)).await;
    assert!(
        second.steers() && !first.steers(),
        "who has given it back does not seek it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_renews_is_taken_over_when_it_has_run_out() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    drop(first);
    let took = second.comes().await;
    assert!(took > seconds(4) && took <= seconds(7), "{took:?}");
    assert_eq!(server.get(LEASE).unwrap()["spec"]["leaseTransitions"], 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_its_holder_steers_until_it_would_have_run_out() {
    let server = Server::default();
    let first = gateway(&server, "a");
    first.comes().await;
    pass(seconds(30)).await;
    for fault in [Fault::Away, Fault::Hang, Fault::Refuse(500, "etcd is away")] {
        let alone = first.alone();
        server.fail_always(Some(fault.clone()));
        pass(seconds(1)).await;
        assert!(first.steers());
        pass(seconds(3)).await;
        assert!(!first.steers(), "somebody else may soon");
        pass(seconds(120)).await;
        assert_eq!(first.alone(), alone, "as it was last seen");
        // What hangs is given up first.
        let hung = if matches!(fault, Fault::Hang) { 3 } else { 0 };
        server.fail_always(None);
        let took = first.comes().await;
        assert!(took <= seconds(hung + 1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_never_steer_at_once_whatever_answers_are_lost() {
    let server = Server::default();
    let links = [server.link(), server.link(), server.link()];
    let all = [0, 1, 2].map(|i| gateway(&links[i], ["a", "b", "c"][i]));
    let faults = [
        Fault::Hang,
        Fault::HangDone,
        Fault::Away,
        Fault::Refuse(409, "changed"),
        Fault::Refuse(500, "no"),
        Fault::Refuse(429, "later"),
    ];
    let mut reigned = [0; 3];
    for step in 0_usize..12_000 {
        pass(Duration::from_millis(250)).await;
        let (round, at) = (step / 400, step % 400);
        let (link, fault) = (&links[round % 3], &faults[round % faults.len()]);
        // Outages of up to 30 s, then an answer that is lost here and there.
        match at {
            0 => link.fail_always(Some(fault.clone())),
            n if n == 20 + 3 * round => link.fail_always(None),
            n if n > 150 && n % 7 == 0 => links[n % 3].fail(faults[n / 7 % faults.len()].clone()),
            390 => server.delete(LEASE),
            _ => {}
        }
        let steering: Vec<usize> = (0..3).filter(|&i| all[i].steers()).collect();
        assert!(steering.len() <= 1, "{steering:?} at step {step}");
        for i in steering {
            reigned[i] += 1;
        }
    }
    assert!(reigned.iter().sum::<i32>() > 8_500, "{reigned:?}");
    assert!(
        reigned.iter().filter(|n| **n > 0).count() > 1,
        "{reigned:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_life_of_the_same_pod_takes_over_at_once_and_reigns_anew() {
    let server = Server::default();
    let first = gateway(&server, "a");
    first.comes().await;
    drop(first);
    pass(seconds(2)).await;
    let next = gateway(&server, "a");
    assert!(next.comes().await < seconds(1));
    assert_eq!(server.get(LEASE).unwrap()["spec"]["leaseTransitions"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_took_away_is_lost_at_once() {
    let server = Server::default();
    let first = gateway(&server, "a");
    first.comes().await;
    pass(seconds(7)).await;
    let mut lease = server.get(LEASE).unwrap();
    lease["spec"]["holderIdentity"] = "z".into();
    server.put(LEASE, lease);
    pass(Duration::from_millis(100)).await;
    assert!(!first.steers());
    let took = first.comes().await;
    assert!(took > seconds(5), "{took:?}");
    assert_eq!(holder(&server), "a");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_is_made_again_by_its_holder() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    pass(seconds(7)).await;
    for _ in 0..3 {
        server.delete(LEASE);
        for _ in 0..50 {
            pass(Duration::from_millis(100)).await;
            assert!(first.steers() && !second.steers());
        }
        assert_eq!(holder(&server), "a");
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_had_it_gives_nothing_back() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    second.abdicate().await;
    pass(seconds(1)).await;
    assert_eq!(holder(&server), "a");
    server.fail_always(Some(Fault::Hang));
    let begun = now();
    first.abdicate().await;
    assert!(
        now().saturating_duration_since(begun) <= seconds(7),
        "it ends without the server"
    );
    assert!(!first.steers());
}

#[tokio::test(start_paused = true)]
async fn who_has_abdicated_still_knows_whether_it_is_alone() {
    let server = Server::default();
    let ours = gateway(&server, "a");
    ours.comes().await;
    pass(seconds(1)).await;
    ours.abdicate().await;
    assert!(ours.alone());
    server.put(&format!("{PODS}/b"), pod("b", true, None));
    pass(seconds(1)).await;
    assert!(!ours.alone());
}

#[tokio::test(start_paused = true)]
async fn outside_a_pod_one_steers_alone() {
    let server = Server::default();
    let ours = Reign::start(&server.client(), None);
    assert!(ours.steers() && ours.alone());
    ours.abdicate().await;
    assert_eq!(server.calls(), Vec::<String>::new());
}
