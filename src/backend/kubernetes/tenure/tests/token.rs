//! The token by which gateways know each other.

use std::sync::Arc;

use super::*;

const SECRET: &str = "/api/v1/namespaces/holdgate-system/secrets/holdgate-peers";

fn knows(gateway: &Reign) -> Option<Arc<str>> {
    gateway.credential().expect("it is in a pod").token()
}

/// "hello", as the API writes it.
fn hello() -> Value {
    json!({ "metadata": { "name": "holdgate-peers" }, "data": { "token": "aGVsbG8=" } })
}

#[tokio::test(start_paused = true)]
async fn whoever_steers_makes_a_token_and_everybody_knows_the_same() {
    let server = Server::default();
    let all = ["a", "b", "c"].map(|name| gateway(&server, name));
    pass(seconds(6)).await;
    let tokens = all.each_ref().map(knows);
    let token = tokens[0].clone().expect("there is one");
    assert_eq!(token.len(), 64);
    assert!(tokens.iter().all(|known| known.as_ref() == Some(&token)));
    let made = server.asked();
    let made = made.iter().filter(|asked| asked.what.starts_with("POST"));
    assert_eq!(
        made.filter(|asked| asked.what.contains("secrets")).count(),
        1
    );
    pass(seconds(600)).await;
    let asked = server.calls();
    let looks = asked.iter().filter(|call| call.contains("secrets")).count();
    assert_eq!(looks, 0, "it is known");

    let other = Server::default();
    let elsewhere = gateway(&other, "a");
    pass(seconds(6)).await;
    assert_ne!(
        knows(&elsewhere),
        Some(token),
        "each installation has its own"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_there_is_taken_and_looked_up_again_when_it_is_refused() {
    let server = Server::default();
    server.put(SECRET, hello());
    let ours = gateway(&server, "a");
    pass(seconds(3)).await;
    assert_eq!(knows(&ours).as_deref(), Some("hello"));
    server.delete(SECRET);
    pass(seconds(60)).await;
    assert_eq!(knows(&ours).as_deref(), Some("hello"));
    for _ in 0..100 {
        ours.credential().expect("it is in a pod").doubt();
        pass(Duration::from_millis(100)).await;
    }
    let token = knows(&ours).expect("it made one");
    assert_eq!(token.len(), 64);
    let looks = server.calls();
    let looks = looks
        .iter()
        .filter(|call| call.contains("GET") && call.contains("secrets"));
    assert!(looks.count() <= 7, "not as often as it is refused");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_one_token_and_an_empty_secret_none() {
    let server = Server::default();
    for _ in 0..12 {
        server.fail(Fault::HangDone);
    }
    let ours = gateway(&server, "a");
    pass(seconds(60)).await;
    let written = server.get(SECRET).expect("it is made");
    assert!(written["data"]["token"].is_string());
    assert!(knows(&ours).is_some());

    let server = Server::default();
    server.put(SECRET, json!({ "metadata": { "name": "holdgate-peers" } }));
    let ours = gateway(&server, "a");
    pass(seconds(10)).await;
    assert_eq!(knows(&ours), None);
    server.put(SECRET, hello());
    pass(seconds(5)).await;
    assert_eq!(knows(&ours).as_deref(), Some("hello"));
}
