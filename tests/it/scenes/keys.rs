//! Where there are API keys: who is let in, what they are told, and what a replica sees of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdgate::admission::Class;
use holdgate::callers::{ApiKey, Keyring};
use holdgate::registry::Lead;
use holdgate::revision::{QueueOrder, RevisionId};
use sha2::{Digest, Sha256};

use super::refusals::check;
use crate::support::{
    Ask, Gate, defaults, get, ms, named, post_text, process, revision, secs, settle, with,
};

fn key(name: &str, revisions: Option<&[&str]>) -> ApiKey {
    ApiKey {
        name: name.into(),
        digest: Sha256::digest(format!("{name}-secret")).into(),
        tenant: name.into(),
        class: None,
        revisions: revisions.map(|all| all.iter().map(|id| RevisionId::new(*id)).collect()),
        forwarded: false,
    }
}

/// Revisions `a` and `b`; `team` may ask `a`, and `boss` both.
fn locked() -> Gate {
    let mut gate = Gate::empty();
    for name in ["a", "b"] {
        gate.add(defaults(name), process(ms(10)));
    }
    let keys = vec![key("team", Some(&["a"])), key("boss", None)];
    gate.registry.set_keys(Arc::new(Keyring::new(keys)));
    gate
}

fn asking(model: &str, key: Option<&str>) -> Ask {
    let mut request = get(&format!("/v1/models/{model}:predict"));
    if let Some(key) = key {
        let key = key.parse().expect("a header value");
        request.headers_mut().insert("x-api-key", key);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_what_it_lists_and_nobody_comes_in_without_one() {
    let gate = locked();
    for (model, key, code) in [
        ("a", Some("team-secret"), 200),
        ("a", Some("boss-secret"), 200),
        ("b", Some("boss-secret"), 200),
        ("b", Some("team-secret"), 403),
        ("a", None, 401),
        ("a", Some("Team-secret"), 401),
        ("none", Some("team-secret"), 404),
        ("none", None, 401),
    ] {
        let answer = gate.ask(asking(model, key)).await;
        assert_eq!(answer.code(), code, "{model} {key:?}");
    }
    assert_eq!(gate.machine.seen().len(), 3);
    let refused = gate.registry.unrouted.rejections.read();
    let refused: BTreeMap<_, _> = refused.into_iter().collect();
    let want = [("forbidden", 1), ("no_route", 1), ("unauthorized", 3)];
    assert_eq!(refused, want.into());
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_by_the_model_in_a_body_what_it_lists_and_no_more() {
    let gate = locked();
    let two = r#"{"model":"a","model":"b"}"#;
    for (key, body, code) in [
        ("team-secret", r#"{"model":"a"}"#, 200),
        ("team-secret", r#"{"model":"b"}"#, 403),
        ("boss-secret", r#"{"model":"b"}"#, 200),
        // A server that takes the last one would serve what the key does not open.
        ("team-secret", two, 404),
        ("boss-secret", two, 200),
        ("guess", r#"{"model":"a"}"#, 401),
    ] {
        let request = post_text("/v1/chat/completions", body);
        let answer = gate.ask(with("x-api-key", key, request)).await;
        assert_eq!(answer.code(), code, "{key} {body}: {answer:?}");
    }
    assert_eq!(gate.machine.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_told_of_the_models_that_it_opens() {
    let gate = locked();
    let listed = async |key| {
        let answer = gate.ask(with("x-api-key", key, get("/v1/models"))).await;
        let all = answer.json()["data"].as_array().cloned();
        let names = all.into_iter().flatten().map(|one| one["id"].to_string());
        (answer.code(), names.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(listed("team-secret").await, (200, r#""a""#.to_owned()));
    assert_eq!(listed("boss-secret").await, (200, r#""a" "b""#.to_owned()));
    assert_eq!(listed("guess").await, (401, String::new()));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_key_sees_no_page_and_hears_no_heartbeat() {
    let mut gate = Gate::empty();
    let mut spec = defaults("a");
    spec.waiting.page = true;
    spec.waiting.heartbeat = Some(secs(1));
    spec.waiting.keep_alive = Some(secs(1));
    gate.add(spec, process(secs(30)));
    gate.registry
        .set_keys(Arc::new(Keyring::new(vec![key("team", None)])));
    let path = "/v1/models/a:predict";
    let stream = || with("accept", "text/event-stream", get(path));
    let requests = || {
        [
            with("accept", "text/html", get(path)),
            stream(),
            post_text(path, "{}"),
        ]
    };
    for request in requests() {
        check(&gate.ask(request).await, 401, "unauthorized", None);
    }
    assert_eq!(gate.machine.running().len(), 0, "nobody is woken");
    let page = with("accept", "text/html", get(path));
    let page = gate.ask(with("x-api-key", "team-secret", page)).await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let heard = gate.ask(with("x-api-key", "team-secret", stream())).await;
    assert_eq!(heard.header("content-type"), Some("text/event-stream"));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_key_learns_nothing_of_what_is_there() {
    let gate = locked();
    let there = gate.ask(asking("a", Some("guess"))).await;
    let nowhere = gate.ask(asking("none", Some("guess"))).await;
    check(&there, 401, "unauthorized", None);
    check(&nowhere, 401, "unauthorized", None);
    assert_eq!(there.text(), nowhere.text());
    assert_eq!(there.header("www-authenticate"), Some("Bearer"));
    assert!(!there.text().contains("guess"), "{}", there.text());
    // Nobody was woken for it.
    tokio::time::sleep(secs(60)).await;
    assert_eq!(gate.machine.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_of_openai_are_told_in_their_own_words() {
    let gate = locked();
    let ask = |key: &'static str| {
        let mut request = get("/v1/chat/completions");
        let headers = request.headers_mut();
        let key = format!("Bearer {key}").parse().expect("a header value");
        headers.insert("authorization", key);
        headers.insert("host", "b.example".parse().expect("a host"));
        gate.ask(request)
    };
    let stranger = ask("guess").await;
    let error = &stranger.json()["error"];
    assert_eq!(stranger.code(), 401);
    assert_eq!(stranger.header("x-holdgate-reason"), Some("unauthorized"));
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["code"], "invalid_api_key");
    let team = ask("team-secret").await;
    let error = &team.json()["error"];
    assert_eq!(
        (team.code(), &error["type"]),
        (403, &"permission_error".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_never_sees_the_keys_of_the_gate() {
    let gate = locked();
    let mut request = named("1", asking("a", Some("team-secret")));
    let theirs = "Bearer for-the-replica".parse().expect("a header value");
    request.headers_mut().insert("authorization", theirs);
    assert_eq!(gate.ask(request).await.code(), 200);
    let seen = gate.machine.seen().remove(0);
    assert_eq!(seen.headers["authorization"], "Bearer for-the-replica");
    assert!(!seen.headers.contains_key("x-api-key"));
    assert!(!format!("{:?}", seen.headers).contains("team-secret"));
}

#[tokio::test(start_paused = true)]
async fn keys_change_under_a_connection_that_is_kept() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let mut client = gate.client().await;
    let set = |keys| gate.registry.set_keys(Arc::new(Keyring::new(keys)));
    assert_eq!(client.ask(asking("m", None)).await.code(), 200);
    set(vec![key("team", None)]);
    assert_eq!(client.ask(asking("m", None)).await.code(), 401);
    for _ in 0..3 {
        let answer = client.ask(asking("m", Some("team-secret"))).await;
        assert_eq!(answer.code(), 200);
    }
    set(vec![key("boss", None)]);
    let answer = client.ask(asking("m", Some("team-secret"))).await;
    assert_eq!(answer.code(), 401);
    set(Vec::new());
    assert_eq!(client.ask(asking("m", None)).await.code(), 200);
}

#[tokio::test(start_paused = true)]
async fn who_calls_a_service_needs_no_key_and_who_names_a_host_does() {
    let gate = locked();
    let doors = [(1, Lead::To(RevisionId::new("b"))), (2, Lead::ByHost)];
    gate.registry.set_doors(&doors.into());
    let ask = |door, key| gate.ask_at(door, asking("b", key));
    assert_eq!(ask(1, None).await.code(), 200);
    assert_eq!(ask(1, Some("team-secret")).await.code(), 200);
    assert_eq!(ask(2, None).await.code(), 401);
    assert_eq!(ask(2, Some("team-secret")).await.code(), 403);
    assert_eq!(ask(2, Some("boss-secret")).await.code(), 200);
}

/// One slot, in the order of tenants and classes, for keys `a`, `b`, and `bulk` of that class.
async fn in_order() -> Gate {
    let mut spec = revision(1, 1..=1);
    spec.queue.order = QueueOrder::Fair {
        ageing: secs(600),
        max_tenants: 10,
    };
    spec.wishes.class_header = Some("x-holdgate-class".into());
    spec.wishes.tenant_header = Some("x-tenant".into());
    let gate = Gate::warm(spec).await;
    let mut bulk = key("bulk", None);
    bulk.class = Some(Class::Bulk);
    let keys = vec![key("a", None), key("b", None), bulk];
    gate.registry.set_keys(Arc::new(Keyring::new(keys)));
    gate
}

fn of(key: &str, id: &str) -> Ask {
    let request = with("x-api-key", &format!("{key}-secret"), get("/?ms=1000"));
    named(id, request)
}

#[tokio::test(start_paused = true)]
async fn keys_share_equally_whatever_their_requests_say() {
    let gate = in_order().await;
    let mut asked = vec![gate.asking(of("a", "running"))];
    settle().await;
    // One of many names is still of one key.
    for id in ["a1", "a2", "a3"] {
        asked.push(gate.asking(with("x-tenant", id, of("a", id))));
        settle().await;
    }
    for id in ["b1", "b2"] {
        asked.push(gate.asking(with("x-tenant", "b", of("b", id))));
        settle().await;
    }
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    assert_eq!(
        gate.machine.order(),
        ["running", "a1", "b1", "a2", "b2", "a3"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_can_say_that_it_is_less_important_and_never_more() {
    let gate = in_order().await;
    let class = |class, request| with("x-holdgate-class", class, request);
    let mut asked = vec![gate.asking(of("a", "running"))];
    settle().await;
    for request in [
        class("interactive", of("bulk", "claims")),
        class("bulk", of("b", "humble")),
        of("a", "plain"),
    ] {
        asked.push(gate.asking(request));
        settle().await;
    }
    let report = gate.report("/revisions/m").await;
    let classes = &report["queue"]["classes"];
    assert_eq!(
        (&classes["bulk"], &classes["default"]),
        (&2.into(), &1.into()),
        "{report}"
    );
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    assert_eq!(
        gate.machine.order(),
        ["running", "plain", "claims", "humble"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_replica_cannot_be_reached_comes_back_as_whose_it_is() {
    let gate = in_order().await;
    gate.machine.refuse(true);
    let claims = with("x-holdgate-class", "interactive", of("bulk", "claims"));
    let asked = gate.asking(claims);
    settle().await;
    let report = gate.report("/revisions/m").await;
    let classes = &report["queue"]["classes"];
    assert_eq!(classes["bulk"], 1, "{report}");
    gate.machine.refuse(false);
    assert_eq!(asked.await.expect("no panic").code(), 200);
}
