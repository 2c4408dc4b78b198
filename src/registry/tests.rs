//! What leads where, also while it changes.

use std::time::Duration;

use super::*;
use crate::revision::{
    ContainerConcurrency, OnDisconnect, OverloadStatus, QueueLimits, Timeouts, samples,
};

fn revision(name: &str, hosts: &[&str], models: &[&str]) -> Revision<()> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let queue = QueueLimits {
        max_requests: 1,
        max_bytes: 1,
        timeout: Duration::from_secs(1),
        cold_timeout: Duration::from_secs(1),
        read_ahead: 1,
        order: crate::revision::QueueOrder::Fifo,
    };
    let container_concurrency = ContainerConcurrency::UNLIMITED;
    let spec = RevisionSpec {
        id: RevisionId::new(name),
        hosts: owned(hosts),
        models: owned(models),
        container_concurrency,
        scaling: samples::scaling(),
        queue,
        wishes: crate::revision::Wishes {
            deadlines: true,
            ..Default::default()
        },
        timeouts: Timeouts {
            total: None,
            stream: None,
            idle: None,
            connect: Duration::from_secs(1),
            first_byte: None,
        },
        max_body_bytes: None,
        overload_status: OverloadStatus::TooManyRequests,
        protocol: crate::revision::Protocol::Auto,
        on_disconnect: OnDisconnect::Auto,
        path: crate::revision::CallerPath::Host,
        at_zero: crate::revision::AtZero {
            probes: true,
            canned: std::sync::Arc::default(),
        },
        waiting: crate::revision::Waiting::default(),
    };
    let throttler = Throttler::new(container_concurrency, queue);
    Revision {
        spec,
        throttler,
        stats: Arc::new(Stats::new()),
        tls: None,
    }
}

fn name(found: Option<Arc<Revision<()>>>) -> Option<String> {
    found.map(|revision| revision.spec.id.to_string())
}

#[tokio::test]
async fn a_host_that_moves_leads_to_its_new_revision() {
    let registry = Registry::default();
    registry.set(vec![
        revision("a", &["h", "only-a"], &["m"]),
        revision("b", &[], &["n"]),
    ]);
    assert_eq!(name(registry.by_host("h")).as_deref(), Some("a"));
    assert_eq!(name(registry.lone()), None);
    registry.set(vec![revision("b", &["h"], &["m"])]);
    assert_eq!(name(registry.by_host("h")).as_deref(), Some("b"));
    assert_eq!(name(registry.by_model("m")).as_deref(), Some("b"));
    assert_eq!(name(registry.by_model("n")), None);
    assert_eq!(name(registry.by_host("only-a")), None);
    assert_eq!(name(registry.lone()).as_deref(), Some("b"));
    assert_eq!(registry.all().len(), 1);
}

#[test]
fn one_revision_changes_and_the_others_are_not_touched() {
    let registry = Registry::default();
    registry.set(vec![
        revision("a", &["h", "a"], &["m"]),
        revision("b", &["b"], &[]),
        revision("c", &["c"], &[]),
    ]);
    let untouched = registry.by_host("c").expect("it is there");
    registry.insert(revision("b", &["b", "b2"], &["n"]));
    assert_eq!(name(registry.by_host("b2")).as_deref(), Some("b"));
    assert_eq!(name(registry.by_model("n")).as_deref(), Some("b"));
    registry.remove(&RevisionId::new("a"));
    for gone in ["h", "a"] {
        assert_eq!(name(registry.by_host(gone)), None);
    }
    assert_eq!(name(registry.by_model("m")), None);
    assert_eq!(name(registry.lone()), None, "two are left");
    let same = registry.by_host("c").expect("it is there");
    assert!(Arc::ptr_eq(&untouched, &same));
    registry.remove(&RevisionId::new("b"));
    assert_eq!(name(registry.lone()).as_deref(), Some("c"));
    registry.remove(&RevisionId::new("c"));
    assert_eq!(name(registry.lone()), None);
}

#[test]
fn a_host_that_moves_always_leads_somewhere() {
    use std::sync::atomic::{AtomicBool, Ordering};
    for registry in [Registry::default(), Registry::exact()] {
        registry.set(vec![
            revision("a", &["h"], &[]),
            revision("b", &[], &[]),
            revision("c", &[], &[]),
        ]);
        let moves = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let looks = || {
                while moves.load(Ordering::Relaxed) {
                    assert!(registry.by_host("h").is_some(), "it leads nowhere");
                }
            };
            let looking = scope.spawn(looks);
            for _ in 0..2_000 {
                // From the one to the other, and from one that goes to one that comes.
                let to_b = vec![revision("a", &[], &[]), revision("b", &["h"], &[])];
                registry.change(to_b, &[]);
                let to_c = vec![revision("c", &["h"], &[])];
                registry.change(to_c, &[RevisionId::new("b")]);
                registry.set(vec![revision("a", &["h"], &[]), revision("c", &[], &[])]);
            }
            moves.store(false, Ordering::Relaxed);
            looking.join().expect("it always led somewhere");
        });
    }
}

#[test]
fn an_exact_registry_has_no_lone_revision() {
    let registry = Registry::exact();
    registry.insert(revision("a.ns", &["a.ns"], &["m"]));
    assert_eq!(name(registry.lone()), None);
    assert_eq!(name(registry.by_model("m")).as_deref(), Some("a.ns"));
    assert_eq!(name(registry.by_host("a.ns")).as_deref(), Some("a.ns"));
    registry.set(vec![revision("b.ns", &["b.ns"], &[])]);
    assert_eq!(name(registry.lone()), None);
    assert_eq!(name(registry.by_host("a.ns")), None);
    assert_eq!(name(registry.by_model("m")), None);
}

fn behind(registry: &Registry<()>, number: u16) -> String {
    match registry.by_port(number) {
        Behind::Revision(revision) => revision.spec.id.to_string(),
        Behind::Everybody => "everybody".to_owned(),
        Behind::Nobody => "nobody".to_owned(),
    }
}

fn to(name: &str) -> Lead {
    Lead::To(RevisionId::new(name))
}

#[test]
fn a_door_leads_to_its_revision_as_long_as_both_are_there() {
    let registry = Registry::exact();
    registry.set_doors(&BTreeMap::from([
        (1, to("a")),
        (2, to("b")),
        (3, Lead::ByHost),
    ]));
    assert_eq!(behind(&registry, 1), "nobody", "not yet");
    registry.set(vec![revision("a", &["h"], &[]), revision("b", &[], &[])]);
    let all = [1, 2, 3, 4].map(|number| behind(&registry, number));
    assert_eq!(all, ["a", "b", "everybody", "nobody"]);

    registry.insert(revision("a", &["other"], &[]));
    let Behind::Revision(found) = registry.by_port(1) else {
        panic!("it leads nowhere");
    };
    assert_eq!(found.spec.hosts, ["other"], "it is found as it is now");

    registry.set_doors(&BTreeMap::from([(1, to("b")), (3, Lead::ByHost)]));
    let all = [1, 2, 3].map(|number| behind(&registry, number));
    assert_eq!(all, ["b", "nobody", "everybody"]);
    registry.remove(&RevisionId::new("b"));
    assert_eq!(behind(&registry, 1), "nobody");
    registry.set(vec![revision("b", &[], &[])]);
    assert_eq!(behind(&registry, 1), "b", "it is back");
}
