//! Predictions, probes and what `/stats` makes of them.

use tokio::io::{AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep};

use super::{MS, PREDICT, ask, connect, model, reply, request, settle};

#[tokio::test]
async fn every_path_is_answered() {
    let model = model(&["--model", "m"]);
    for (line, status, part) in [
        ("GET /healthz", 200, r#""ready":true"#),
        ("GET /stats", 200, r#""max_concurrency":0"#),
        ("GET /v1/models", 200, r#""models":["m"]"#),
        ("GET /v1/models", 200, r#""object":"list""#),
        ("GET /v1/models/m", 200, r#""state":"AVAILABLE""#),
        ("GET /v1/models/m", 200, r#""ready":true"#),
        ("GET /v1/models/other", 404, "other does not exist"),
        ("POST /v1/models/m:predict", 200, r#""predictions""#),
        ("POST /v1/models/other:predict", 404, "other does not exist"),
        ("GET /v2", 200, r#""version""#),
        ("GET /v2/health/live", 200, r#""live":true"#),
        ("GET /v2/health/ready", 200, r#""ready":true"#),
        ("GET /v2/models/m", 200, r#""inputs""#),
        ("GET /v2/models/m/ready", 200, r#""name":"m""#),
        ("POST /v2/models/m/infer", 200, r#""outputs""#),
        ("POST /v1/chat/completions", 200, r#""role":"assistant""#),
        ("POST /v1/completions", 200, r#""text_completion""#),
        ("GET /nothing", 404, "no such path"),
        ("DELETE /v1/models/m", 405, "no such method"),
    ] {
        let reply = ask(&model, line, "{}").await;
        assert_eq!(reply.status, status, "{line}");
        assert!(reply.body.contains(part), "{line}: {}", reply.body);
    }
    assert_eq!(
        model.seen().requests,
        4,
        "probes and strangers do not count"
    );
}

#[tokio::test]
async fn a_prediction_is_the_guides_247_bytes_or_as_many_as_ordered() {
    let reply = ask(&model(&[]), PREDICT, "{}").await;
    assert!(reply.head.contains("content-length: 247"), "{}", reply.head);
    assert_eq!(reply.body.len(), 247);
    let reply = ask(&model(&["--response-bytes", "5000"]), PREDICT, "{}").await;
    assert_eq!(reply.body.len(), 5000);
}

#[tokio::test]
async fn a_server_that_fails_readiness_is_alive_but_never_ready() {
    let model = model(&["--fail-ready", "--model", "m"]);
    for (path, status) in [
        ("/healthz", 503),
        ("/v1/models/m", 503),
        ("/v2/health/ready", 503),
        ("/v2/models/m/ready", 503),
        ("/v2/health/live", 200),
    ] {
        assert_eq!(
            ask(&model, &format!("GET {path}"), "").await.status,
            status,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_without_its_client_and_counts_to_its_end() {
    let model = model(&["--service-time", "100ms"]);
    let first = connect(&model, PREDICT, "", "{}").await;
    let second = connect(&model, PREDICT, "", "{}").await;
    let stays = connect(&model, PREDICT, "", "{}").await;
    sleep(10 * MS).await;
    drop((first, second));
    sleep(80 * MS).await;
    assert_eq!(model.seen().concurrency, 3);
    assert_eq!(reply(stays).await.status, 200);
    settle().await;
    let seen = model.seen();
    assert_eq!(
        (seen.requests, seen.concurrency, seen.max_concurrency),
        (3, 0, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_can_be_cancelled_ends_with_its_client() {
    let model = model(&["--service-time", "100ms", "--cancel-on-disconnect"]);
    let leaves = connect(&model, PREDICT, "", "{}").await;
    let stays = connect(&model, PREDICT, "", "{}").await;
    sleep(10 * MS).await;
    drop(leaves);
    sleep(10 * MS).await;
    assert_eq!(model.seen().concurrency, 1);
    assert_eq!(reply(stays).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn work_begins_when_the_body_is_complete() {
    let model = model(&["--service-time", "100ms"]);
    let (head, rest) = (request(PREDICT, "", "0123456789"), "56789");
    let (mut client, server) = duplex(1 << 16);
    let serving = model.clone();
    tokio::spawn(async move { serving.serve_connection(server).await });
    let sent = head.strip_suffix(rest).expect("it ends so");
    client.write_all(sent.as_bytes()).await.expect("sent");
    sleep(1000 * MS).await;
    assert_eq!((model.seen().requests, model.seen().concurrency), (1, 0));
    let begun = Instant::now();
    client.write_all(rest.as_bytes()).await.expect("sent");
    assert_eq!(reply(client).await.status, 200);
    assert!(begun.elapsed() >= 100 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_may_order_its_service_time_and_be_numbered() {
    let model = model(&["--service-time", "1h"]);
    let begun = Instant::now();
    for n in [3, 1, 2] {
        let headers = format!("x-sample-service-time: 50ms\r\nx-sample-sequence: {n}\r\n");
        reply(connect(&model, PREDICT, &headers, "{}").await).await;
    }
    let took = begun.elapsed();
    assert!((150 * MS..200 * MS).contains(&took), "{took:?}");
    let stats = ask(&model, "GET /stats?sequence=1", "").await;
    assert!(
        stats.body.contains(r#""sequence":[3,1,2]"#),
        "{}",
        stats.body
    );
    assert!(
        !ask(&model, "GET /stats", "")
            .await
            .body
            .contains("sequence")
    );
    let wrong = connect(&model, PREDICT, "x-sample-service-time: soon\r\n", "{}").await;
    let wrong = reply(wrong).await;
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.body.contains("x-sample-service-time"),
        "{}",
        wrong.body
    );
}

#[tokio::test]
async fn what_it_is_told_to_use_stands_on_its_metrics_page() {
    let model = model(&[]);
    ask(&model, PREDICT, "{}").await;

    let told = ask(&model, "POST /use?gauge=12.5", "").await;
    let page = ask(&model, "GET /metrics", "").await;

    assert_eq!((told.status, page.status), (200, 200));
    assert!(
        page.head
            .contains("content-type: text/plain; version=0.0.4")
    );
    for line in [
        "sample_model_requests_total 1",
        "sample_model_in_flight 0",
        "sample_model_gauge{ordered=\"true\"} 12.5",
    ] {
        assert!(page.body.lines().any(|told| told == line), "{}", page.body);
    }
    let wrong = ask(&model, "POST /use?cpu=all", "").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("cpu=all"), "{}", wrong.body);
}
