//! Completions, whole and token by token.

use serde_json::Value;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::{CHAT, MS, ask, connect, model};

/// Reads one event; `None` at the end of the stream.
async fn next_event(client: &mut DuplexStream, unread: &mut String) -> Option<String> {
    loop {
        if let Some((event, rest)) = unread.split_once("\n\n") {
            let data = event.split_once("data: ")?.1.to_owned();
            *unread = rest.to_owned();
            return Some(data);
        }
        let mut some = [0; 4096];
        let n = client.read(&mut some).await.expect("it ends cleanly");
        if n == 0 {
            return None;
        }
        unread.push_str(std::str::from_utf8(&some[..n]).expect("text"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_token_by_token() {
    let model = model(&[
        "--service-time",
        "1s",
        "--tokens",
        "5",
        "--token-time",
        "100ms",
    ]);
    let begun = Instant::now();
    let mut client = connect(&model, CHAT, "", r#"{"stream":true,"max_tokens":3}"#).await;
    let (mut unread, mut came) = (String::new(), Vec::new());
    while let Some(data) = next_event(&mut client, &mut unread).await {
        came.push((begun.elapsed().as_millis() / 50 * 50, data));
    }
    let times: Vec<_> = came.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [1000, 1100, 1200, 1200, 1200]);
    let parsed: Value = serde_json::from_str(&came[0].1).expect("JSON");
    assert_eq!(parsed["object"], "chat.completion.chunk");
    assert_eq!(parsed["choices"][0]["delta"]["content"], "tulips ");
    let last: Value = serde_json::from_str(&came[3].1).expect("JSON");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(came[4].1, "[DONE]");
    assert_eq!(
        (model.seen().max_concurrency, model.seen().concurrency),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_client_goes_on_unless_it_can_be_cancelled() {
    let pace = ["--tokens", "10", "--token-time", "100ms"];
    for (more, left_at_work) in [(&[][..], 1), (&["--cancel-on-disconnect"][..], 0)] {
        let model = model(&[&pace[..], more].concat());
        let mut client = connect(&model, CHAT, "", r#"{"stream":true}"#).await;
        next_event(&mut client, &mut String::new())
            .await
            .expect("a first token");
        drop(client);
        sleep(500 * MS).await;
        assert_eq!(model.seen().concurrency, left_at_work, "{more:?}");
        sleep(500 * MS).await;
        assert_eq!(model.seen().concurrency, 0, "{more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_completion_has_its_usage_and_takes_as_long_as_its_tokens() {
    let model = model(&[
        "--service-time",
        "1s",
        "--tokens",
        "5",
        "--token-time",
        "100ms",
    ]);
    let begun = Instant::now();
    let whole = ask(&model, CHAT, r#"{"model":"flowers-sample"}"#).await;
    assert_eq!(begun.elapsed().as_millis() / 50 * 50, 1400);
    let parsed: Value = serde_json::from_str(&whole.body).expect("JSON");
    assert_eq!(parsed["usage"]["completion_tokens"], 5);
    let text = &parsed["choices"][0]["message"]["content"];
    assert_eq!(text, "tulips open at noon and ");
    for (body, status) in [(r#"{"model":"other"}"#, 404), ("hello", 400)] {
        let refused = ask(&model, CHAT, body).await;
        assert_eq!(refused.status, status);
        assert!(refused.body.contains(r#""type":"invalid_request_error""#));
    }
}
