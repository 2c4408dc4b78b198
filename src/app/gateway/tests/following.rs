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
    Written::new(
        config,
        Vec::new(),
        Overrides::default(),
        false,
        Arc::default(),
    )
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
    let registry = Arc::<crate::proxy::Registry>::default();
    let mut written = Written::new(
        config,
        files.clone(),
        Overrides::default(),
        false,
        Arc::clone(&registry),
    );
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
    write(&(defaults(2) + "maxQueuedRequests: 7\n"));
    assert!(written.read_again("a test"));
    assert_eq!(written.bounds(), (7, 1 << 30));
    assert_eq!(limit(&written), 2);
    assert!(!written.read_again("a test"), "nothing is new");
    assert!(registry.keys().is_none());
    let key = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
    write(&format!(
        "{}apiKeys: [{{ name: a, sha256: {key}, revisions: [m.ns] }}]\n",
        defaults(2)
    ));
    assert!(!written.read_again("a test"), "nothing that claims say");
    let opens = || registry.keys().and_then(|keys| keys.find(b"alpha"));
    assert!(opens().is_some());
    write("defaults: { containerConcurrency: some }\n");
    assert!(!written.read_again("a test"));
    assert_eq!(limit(&written), 2);
    assert!(opens().is_some(), "a bad file changes nothing");
}

/// One whose model server listens at a port with a name, behind a Service whose port says something.
fn spoken(own: &str, said: &[bool], settings: &serde_json::Value) -> Claim {
    use crate::backend::kubernetes::Spoken;
    use crate::backend::kubernetes::doors::facts::Target;
    use crate::backend::kubernetes::objects::{Container, Port, Template};

    let port = |name: &str, number| Port {
        name: Some(name.to_owned()),
        number,
    };
    let container = Container {
        ports: vec![port(own, 9000), port("grpc", 9001)],
        ..Container::default()
    };
    let template = Template {
        containers: vec![container],
        ..Template::default()
    };
    let mut annotations = json!({ "holdgate.dev/enabled": "true" });
    if let (Some(all), Some(more)) = (annotations.as_object_mut(), settings.as_object()) {
        all.extend(more.clone());
    }
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "m", "namespace": "ns", "annotations": annotations },
    });
    let elsewhere = Spoken {
        target: Target::Number(9001),
        http2: true,
    };
    let here = said.iter().map(|&http2| Spoken {
        target: Target::Name(own.to_owned()),
        http2,
    });
    Claim {
        settings: Settings::Workload(Arc::new(object)),
        template: Some(Arc::new(template)),
        spoken: here.chain([elsewhere]).collect(),
        ..annotated("1")
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_spoken_to_in_http2_where_their_port_says_so_and_nobody_otherwise() {
    use crate::revision::Protocol::{self, Auto, H2c, Http1};

    let mut scene = Scene::with(WAITS);
    scene.cluster.deploy("m.ns", 0);
    let (mut tellers, mut written) = (tellers(), nothing_written());
    let mut signals = Signals::listen().expect("signals");
    let registry = Arc::clone(&scene.registry);
    let protocol = || {
        let found = registry.by_host("m.ns.svc.cluster.local");
        found.expect("it is there").spec.protocol
    };
    let following = until_ended(
        &mut scene.gateway,
        &mut tellers.sources,
        &mut written,
        &mut signals,
        |_| {},
    );
    let says = |what: &str| json!({ "holdgate.dev/protocol": what });
    let cases: &[(&str, &[bool], serde_json::Value, Protocol)] = &[
        ("api", &[], json!({}), Auto),
        ("h2c", &[], json!({}), H2c),
        ("http2-predict", &[], json!({}), H2c),
        ("grpc-web", &[], json!({}), Auto),
        ("api", &[true], json!({}), H2c),
        ("api", &[true, false], json!({}), Auto),
        ("h2c", &[false], json!({}), Auto),
        ("h2c", &[true], says("http1"), Http1),
        ("h2c", &[true], says("auto"), H2c),
        ("api", &[false], says("h2c"), H2c),
        ("api", &[], says("port"), H2c),
    ];
    let story = async {
        for (own, said, settings, wanted) in cases {
            // What cannot be read changes nothing.
            tellers
                .claims
                .send_replace(Some(only(spoken(own, said, settings))));
            settle().await;
            assert_eq!(protocol(), *wanted, "{own} {said:?} {settings}");
        }
        let elsewhere = json!({ "holdgate.dev/port": "9001" });
        tellers
            .claims
            .send_replace(Some(only(spoken("http", &[false], &elsewhere))));
        settle().await;
        assert_eq!(protocol(), H2c);
    };
    tokio::select! {
        () = following => panic!("nobody ended it"),
        () = story => {}
    }
}
