use k8s_openapi::api::coordination::v1::LeaseSpec;

use super::*;
use crate::backend::kubernetes::tests_server::{Fault, Server};

const PATH: &str =
    "/apis/coordination.k8s.io/v1/namespaces/holdgate-system/leases/holdgate-gateway";

fn candidate(server: &Server, until: watch::Sender<Option<Instant>>) -> Candidate {
    let own = PodIdentity {
        namespace: "holdgate-system".to_owned(),
        name: "a".to_owned(),
        uid: "u".to_owned(),
        selector: String::new(),
    };
    let (roll, reign) = (watch::Sender::default(), watch::Sender::new(None));
    let seen = (roll.subscribe(), watch::Sender::new(0).subscribe());
    Candidate::new(
        server.client(),
        &own,
        seen,
        until,
        (reign, watch::Sender::new(false)),
    )
}

fn of(holder: &str, version: u64) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.resource_version = Some(version.to_string());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        ..LeaseSpec::default()
    });
    lease
}

#[tokio::test(start_paused = true)]
async fn news_that_come_late_take_nothing_from_its_holder() {
    let until = watch::Sender::new(None);
    let mut candidate = candidate(&Server::default(), until.clone());
    candidate.note(Some(of("b", 9)));
    candidate.hold(of(&candidate.me.life.clone(), 10), now());
    candidate.note(Some(of("b", 9)));
    assert_eq!(candidate.standing(), Standing::Ours);
    assert!(until.borrow().is_some());
    candidate.note(Some(of("b", 11)));
    assert_eq!(*until.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_looked_up_counts_though_versions_have_begun_anew() {
    let server = Server::default();
    server.put(PATH, serde_json::to_value(of("b", 0)).expect("it is JSON"));
    let until = watch::Sender::new(None);
    let mut candidate = candidate(&server, until.clone());
    candidate.hold(of(&candidate.me.life.clone(), 1000), now());
    candidate.act().await;
    assert_eq!(candidate.standing(), Standing::Theirs(now() + DURATION));
    assert_eq!(*until.borrow(), None);
    tokio::time::sleep(DURATION).await;
    candidate.act().await;
    assert_eq!(candidate.standing(), Standing::Ours);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_can_be_neither_found_nor_made_is_not_asked_for_in_a_circle() {
    let server = Server::default();
    server.fail_always(Some(Fault::Refuse(404, "namespaces \"a\" not found")));
    let candidate = &mut candidate(&server, watch::Sender::new(None));
    let seeking = tokio::time::timeout(Duration::from_secs(10), candidate.seek());
    let watched = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let made = server.count("POST");
        assert!(made <= 1, "{made} times at once");
    };
    let (seeking, ()) = tokio::join!(seeking, watched);
    assert!(seeking.is_err(), "it goes on");
    let made = server.count("POST");
    assert!((5..=10).contains(&made), "{made} times in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_given_back_while_somebody_here_still_steers() {
    let server = Server::default();
    let tenure = watch::Sender::new(Tenure {
        steers: true,
        ..Tenure::default()
    });
    let (end, released) = (CancellationToken::new(), watch::Sender::new(false));
    let candidate = candidate(&server, watch::Sender::new(None));
    let me = candidate.me.life.clone();
    let mut done = released.subscribe();
    tokio::spawn(candidate.run(end.clone(), tenure.subscribe(), released));
    let holder = || server.get(PATH).expect("it is there")["spec"]["holderIdentity"].clone();
    tokio::time::sleep(Duration::from_secs(1)).await;
    end.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(holder(), me);
    tenure.send_modify(|tenure| tenure.steers = false);
    done.wait_for(|done| *done).await.expect("it is told");
    assert_eq!(holder(), "");
}
