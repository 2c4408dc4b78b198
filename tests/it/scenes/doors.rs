//! Callers who come in by a door: that decides whose request it is, and nothing they say.

use std::collections::BTreeMap;

use holdgate::registry::Lead;
use holdgate::revision::{RevisionId, RevisionSpec};

use crate::support::{Ask, Gate, defaults, get, ms, process};

/// The model server of a Service that is called `m` in a namespace.
fn m_of(namespace: &str) -> RevisionSpec {
    RevisionSpec {
        hosts: vec![format!("m.{namespace}"), format!("m.{namespace}.svc")],
        models: vec![format!("of-{namespace}")],
        ..defaults(&format!("m.{namespace}"))
    }
}

/// Two of them, at the doors 1 and 2; at 3 callers are told apart by their host, and 4 leads nowhere.
fn two_of_one_name() -> Gate {
    let mut gate = Gate::empty();
    for namespace in ["a", "b"] {
        gate.add(m_of(namespace), process(ms(10)));
    }
    let to = |name: &str| Lead::To(RevisionId::new(name));
    let doors = [
        (1, to("m.a")),
        (2, to("m.b")),
        (3, Lead::ByHost),
        (4, to("m.c")),
    ];
    gate.registry.set_doors(&BTreeMap::from(doors));
    gate
}

fn asking(host: &str, path: &str) -> Ask {
    let mut request = get(path);
    let host = host.parse().expect("a header value");
    request.headers_mut().insert("host", host);
    request
}

/// To whom a request goes that comes in by a door.
async fn taken(gate: &Gate, door: u16, request: Ask) -> &'static str {
    let counted = |name| gate.codes_of(name).values().sum::<u64>();
    let before = ["m.a", "m.b"].map(counted);
    let answer = gate.ask_at(door, request).await;
    let after = ["m.a", "m.b"].map(counted);
    match (answer.code(), after[0] - before[0], after[1] - before[1]) {
        (200, 1, 0) => "a",
        (200, 0, 1) => "b",
        (404, 0, 0) if answer.header("x-holdgate-reason") == Some("no_route") => "nobody",
        other => panic!("{other:?}: {answer:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn services_of_one_name_in_two_namespaces_are_told_apart_by_their_doors() {
    let gate = two_of_one_name();
    // As a caller in the same namespace says it; as the other one is called; as nobody is.
    for host in ["m", "m:80", "m.b", "m.a.svc", "elsewhere.example", ""] {
        for path in ["/", "/v1/models/of-b:predict", "/v2/models/of-a/infer"] {
            assert_eq!(
                taken(&gate, 1, asking(host, path)).await,
                "a",
                "{host} {path}"
            );
            assert_eq!(
                taken(&gate, 2, asking(host, path)).await,
                "b",
                "{host} {path}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_several_headless_services_lead_the_host_decides_as_at_the_data_port() {
    let gate = two_of_one_name();
    assert_eq!(taken(&gate, 3, asking("m.a", "/")).await, "a");
    assert_eq!(taken(&gate, 3, asking("m.b.svc:8080", "/")).await, "b");
    assert_eq!(taken(&gate, 3, asking("m", "/v1/models/of-b")).await, "b");
    assert_eq!(taken(&gate, 3, asking("m", "/")).await, "nobody");
}

#[tokio::test(start_paused = true)]
async fn a_door_without_its_revision_leads_nowhere_whatever_a_request_says() {
    let gate = two_of_one_name();
    for door in [4, 5] {
        assert_eq!(
            taken(&gate, door, asking("m.a", "/v1/models/of-a")).await,
            "nobody"
        );
    }
    gate.registry.remove(&RevisionId::new("m.a"));
    assert_eq!(taken(&gate, 1, asking("m.a", "/")).await, "nobody");
    // Only one is left: it does not take what comes in by the door of another.
    assert_eq!(taken(&gate, 1, asking("m.b", "/")).await, "nobody");
    assert_eq!(taken(&gate, 2, asking("m", "/")).await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_refused_at_a_door_too() {
    let gate = two_of_one_name();
    let mut tunnel = asking("m.a:80", "/");
    *tunnel.method_mut() = http::Method::CONNECT;
    *tunnel.uri_mut() = "m.a:80".parse().expect("an authority");
    assert_eq!(taken(&gate, 1, tunnel).await, "nobody");
}
