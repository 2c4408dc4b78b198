//! Who only looks whether a model is there starts none, and is not refused for that.

use std::sync::Arc;

use holdgate::revision::{Canned, RevisionSpec};
use serde_json::json;

use crate::support::{Answer, Ask, Gate, defaults, get, ms, process, revision, secs, with};

const REASON: &str = "x-holdgate-reason";

/// Asked at zero, it answers at once and starts nothing.
async fn at_zero(gate: &Gate, request: Ask) -> Answer {
    let answer = gate.ask(request).await;
    assert_eq!(answer.header(REASON), Some("at_zero"), "{answer:?}");
    assert_eq!(answer.took, ms(0));
    answer
}

fn cold() -> Gate {
    let mut spec = revision(1, 0..=1);
    let written = |path: &str, status, body: &str| Canned {
        path: path.to_owned(),
        status,
        body: body.to_owned(),
        content_type: "text/plain; charset=utf-8".to_owned(),
    };
    let canned = [written("/status", 200, "up"), written("/gone", 410, "")];
    spec.at_zero.canned = Arc::new(canned);
    Gate::new(spec, secs(9))
}

/// A request whose method is HEAD.
fn head(path: &str) -> Ask {
    let mut request = get(path);
    *request.method_mut() = http::Method::HEAD;
    request
}

const LOOKS: [&str; 13] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/health",
    "/ready",
    "/ping",
    "/v2/health/live",
    "/v2/health/ready",
    "/metrics",
    "/v1/models",
    "/v1/models/m",
    "/v2/models/m/ready",
    "/status?verbose",
];

#[tokio::test(start_paused = true)]
async fn who_looks_at_zero_is_answered_and_starts_nothing() {
    let gate = cold();
    for path in LOOKS {
        assert_eq!(at_zero(&gate, get(path)).await.code(), 200, "{path}");
        let answer = at_zero(&gate, head(path)).await;
        assert_eq!((answer.code(), answer.text()), (200, ""), "{path}");
    }
    for agent in ["kube-probe/1.33", "GoogleHC/1.0", "ELB-HealthChecker/2.0"] {
        let request = with("user-agent", agent, get("/any"));
        assert_eq!(at_zero(&gate, request).await.code(), 200, "{agent}");
    }
    assert_eq!(at_zero(&gate, get("/favicon.ico")).await.code(), 204);
    assert_eq!(at_zero(&gate, get("/gone")).await.code(), 410);
    assert_eq!(at_zero(&gate, get("/status")).await.text(), "up");
    let ready = at_zero(&gate, get("/v1/models/m")).await.json();
    assert_eq!(
        (&ready["name"], &ready["ready"]),
        (&json!("m"), &json!(true))
    );

    tokio::time::sleep(secs(60)).await;
    assert!(gate.machine.launched().is_empty());
    assert_eq!(gate.stats().rejections.read(), []);
    let counted = 2 * LOOKS.len() as u64 + 5;
    assert_eq!(gate.codes(), [(200, counted), (204, 1), (410, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_something_else_wakes_the_model() {
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/health"),
        ("GET", "/v1/models/m/x"),
        ("GET", "/v1/models/n"),
    ] {
        let gate = cold();
        let mut request = get(path);
        *request.method_mut() = method.parse().expect("a method");
        let answer = gate.ask(request).await;
        assert_eq!(
            (answer.code(), answer.header(REASON)),
            (200, None),
            "{path}"
        );
        assert_eq!(gate.machine.launched().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_ready_answers_itself_but_for_the_listing_of_the_only_revision() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    for path in LOOKS {
        let answer = gate.ask(get(path)).await;
        assert_eq!(answer.header(REASON), None, "{path}");
        assert_eq!(answer.text() == "0 bytes", path != "/v1/models", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_wants_that_a_look_wakes_the_model() {
    let mut spec = revision(1, 0..=1);
    spec.at_zero.probes = false;
    let gate = Gate::new(spec, secs(9));
    let answer = gate.ask(get("/healthz")).await;
    assert_eq!((answer.code(), answer.text()), (200, "0 bytes"));
    assert_eq!(gate.machine.launched().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_model_is_listed_started_or_not_and_a_listing_starts_none() {
    let mut gate = Gate::empty();
    let models = |name: &str, models: &[&str]| RevisionSpec {
        models: models.iter().map(|&model| model.to_owned()).collect(),
        ..defaults(name)
    };
    gate.add(models("a", &["llama3:8b", "llama3"]), process(ms(10)));
    gate.add(models("b", &[]), process(ms(10)));
    let on_a = |request| with("host", "a.example", request);
    assert_eq!(gate.ask(on_a(get("/"))).await.code(), 200);
    for path in ["/v1/models", "/openai/v1/models"] {
        let answer = gate.ask(get(path)).await;
        let listed = answer.json();
        assert_eq!(listed["object"], "list");
        let ids = listed["data"].as_array().expect("a list");
        let ids: Vec<_> = ids.iter().map(|model| &model["id"]).collect();
        assert_eq!(ids, ["llama3:8b", "llama3", "b"]);
        let created = listed["data"][0]["created"].as_u64().expect("seconds");
        assert!(created > 1_700_000_000, "{created}");
        let one = json!({ "id": "b", "object": "model", "created": listed["data"][2]["created"], "owned_by": "holdgate" });
        assert_eq!(listed["data"][2], one);
    }
    assert_eq!(gate.machine.launched().len(), 1);
    // Who asks one of them asks its server, if it is there.
    assert_eq!(gate.ask(on_a(get("/v1/models"))).await.text(), "0 bytes");
    let answer = gate.ask(with("host", "b.example", get("/v1/models"))).await;
    assert_eq!(answer.json()["data"][0]["id"], "b");
    assert_eq!(gate.machine.launched().len(), 1);
    // By the name it is listed by, it can be asked for.
    let request = crate::support::post_text("/v1/completions", r#"{"model":"b"}"#);
    assert_eq!(gate.ask(request).await.code(), 200);
    assert_eq!(gate.machine.launched().len(), 2);
}
