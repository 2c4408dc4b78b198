use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::watch;

use super::super::following::{Sources, Written, until_ended};
use super::*;
use crate::app::drain::Signals;
use crate::config::{Overrides, load_gateway};

/// What tells a gateway what there is.
pub(super) struct Tellers {
    pub(super) claims: watch::Sender<Option<Arc<Claims>>>,
    domain: watch::Sender<Option<String>>,
    pub(super) tenure: watch::Sender<Tenure>,
    pub(super) sources: Sources,
}

pub(super) fn tellers() -> Tellers {
    let (claims, domain) = (watch::Sender::new(None), watch::Sender::new(None));
    let (tenure, entrances) = (watch::Sender::new(WAITS), watch::Sender::default());
    let sources = Sources {
        claims: claims.subscribe(),
        entrances: entrances.subscribe(),
        domain: domain.subscribe(),
        tenure: tenure.subscribe(),
    };
    Tellers {
        claims,
        domain,
        tenure,
        sources,
    }
}

/// A configuration that says nothing.
pub(super) fn nothing_written() -> Written {
    let config = load_gateway(&[], &Overrides::default()).expect("sound");
    Written::new(config, Vec::new(), Overrides::default(), false)
}

/// A claim as the cluster tells it.
pub(super) fn annotated(limit: &str) -> Claim {
    let settings = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "m",
            "namespace": "ns",
            "annotations": {
                "holdgate.dev/enabled": "true",
                "holdgate.dev/container-concurrency": limit,
            },
        },
    });
    Claim {
        settings: Settings::Workload(Arc::new(settings)),
        services: BTreeMap::from([("m".to_owned(), Vec::new())]),
        ..claim("m.ns", 0, json!({}))
    }
}

pub(super) fn only(claim: Claim) -> Arc<Claims> {
    let id = claim.revision.clone();
    Arc::new(Claims::from([(id, Arc::new(claim))]))
}

#[tokio::test(start_paused = true)]
async fn it_opens_when_everything_is_listed_and_runs_and_then_follows() {
    let mut scene = Scene::with(WAITS);
    scene.cluster.deploy("m.ns", 0);
    let (mut tellers, mut written) = (tellers(), nothing_written());
    let mut signals = Signals::listen().expect("signals");
    let (opened, registry) = (AtomicUsize::new(0), Arc::clone(&scene.registry));
    let limit = |host: &str| {
        let found = registry.by_host(host)?;
        Some(found.spec.container_concurrency.written())
    };
    let host = "m.ns.svc.cluster.local";
    let following = until_ended(
        &mut scene.gateway,
        &mut tellers.sources,
        &mut written,
        &mut signals,
        |_| {
            assert!(limit(host).is_some(), "who asks now is served");
            opened.fetch_add(1, Ordering::Relaxed);
        },
    );
    let story = async {
        tokio::time::sleep(secs(100)).await;
        assert_eq!(opened.load(Ordering::Relaxed), 0);
        tellers.claims.send_replace(Some(only(annotated("3"))));
        settle().await;
        assert_eq!((opened.load(Ordering::Relaxed), limit(host)), (1, Some(3)));

        tellers.claims.send_replace(Some(only(annotated("4"))));
        settle().await;
        assert_eq!((opened.load(Ordering::Relaxed), limit(host)), (1, Some(4)));
        tellers.claims.send_replace(Some(only(annotated("four"))));
        settle().await;
        assert_eq!(limit(host), Some(4));
        let routed = "m.ns.models.example.org";
        assert_eq!(limit(routed), None);
        tellers.claims.send_replace(Some(only(annotated("4"))));
        tellers
            .domain
            .send_replace(Some("models.example.org".to_owned()));
        settle().await;
        assert_eq!(limit(routed), Some(4));

        let revision = registry.by_host(host).expect("it is there");
        let Arrival::Waiting(waits) = revision.throttler.arrive(0) else {
            panic!("nothing is there");
        };
        tokio::time::sleep(secs(100)).await;
        assert_eq!(scene.cluster.asked("m.ns"), [0; 0]);
        tellers.tenure.send_replace(HOLDS);
        waits.await.expect("a replica");
    };
    tokio::select! {
        () = following => panic!("nobody ended it"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_no_more_is_let_go_of_when_its_last_request_has_ended() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let inside = scene.ask("m.ns").admitted();
    let pods = scene.cluster.pods_of("m.ns").expect("it is ours");
    let (mut tellers, mut written) = (tellers(), nothing_written());
    let mut signals = Signals::listen().expect("signals");
    let following = until_ended(
        &mut scene.gateway,
        &mut tellers.sources,
        &mut written,
        &mut signals,
        |_| {},
    );
    let story = async {
        tellers.claims.send_replace(Some(Arc::default()));
        tokio::time::sleep(secs(100)).await;
        let is_kept = || pods.tenure.has_changed().is_ok();
        assert!(is_kept(), "a request is inside");
        drop(inside);
        tokio::time::sleep(secs(2)).await;
        assert!(!is_kept(), "nothing is inside");
    };
    tokio::select! {
        () = following => panic!("nobody ended it"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn defaults_that_change_are_taken_and_a_file_that_is_bad_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let defaults = |limit: u32| format!("defaults: {{ containerConcurrency: {limit} }}\n");
    write(&defaults(1));
    let files = vec![file.clone()];
    let config = load_gateway(&files, &Overrides::default()).expect("sound");
    let mut written = Written::new(config, files.clone(), Overrides::default(), false);
    let mut bare = annotated("0");
    bare.settings = Settings::Workload(Arc::new(json!({
        "kind": "Deployment",
        "metadata": { "name": "m", "namespace": "ns" },
    })));
    let limit = |written: &Written| {
        let read = written.reader(None)(&bare).expect("sound");
        read.spec.container_concurrency.written()
    };
    assert_eq!(limit(&written), 1);
    write(&defaults(2));
    assert!(written.read_again("a test"));
    assert_eq!(limit(&written), 2);
    assert!(!written.read_again("a test"), "nothing is new");
    write("defaults: { containerConcurrency: some }\n");
    assert!(!written.read_again("a test"));
    assert_eq!(limit(&written), 2);
}
