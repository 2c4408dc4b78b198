//! The sidecar as the built program, before a model server that somebody else has started.

mod ending;
mod reload;
mod reports;
#[cfg(feature = "tls")]
mod tls;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;

use super::client::{ask, get, predict, predict_for};
use super::support::*;

/// A model server that nobody holds.
struct Model {
    address: SocketAddr,
    process: Child,
}

impl Model {
    async fn start(words: &[&str]) -> Self {
        let mut process = command(words).spawn().expect("it starts");
        let mut log = Log::of(process.stderr.take().expect("it was piped"));
        let line = log.next(|line| line.says("loaded, listening")).await;
        let address = line.text("address").parse().expect("an address");
        Self { address, process }
    }
}

fn command(words: &[&str]) -> tokio::process::Command {
    let own = ["sample-model", "--model", "m", "--log-format", "json"];
    let mut command = holdgate(&[&own[..], words].concat());
    command.stderr(Stdio::piped());
    command
}

const BESIDE: [&str; 9] = [
    "sidecar",
    "--listen",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
    "--metrics",
    "127.0.0.1:0",
    "--log-format",
    "json",
];

/// A sidecar before the model server at this port.
async fn beside(port: u16, words: &[&str]) -> Gate {
    let port = port.to_string();
    let own = [&BESIDE[..], &["--port", port.as_str(), "--name", "m"]].concat();
    Gate::spawn(holdgate(&[&own[..], words].concat())).await
}

async fn readyz(gate: &Gate) -> u16 {
    gate.admin("/readyz").await.status.as_u16()
}

async fn until_ready(gate: &Gate) {
    until("it is ready", async || readyz(gate).await == 200).await;
}

#[tokio::test]
async fn a_model_server_that_crashes_and_comes_back_is_waited_for() {
    let mut model = Model::start(&["--port", "0"]).await;
    let port = model.address.port();
    let gate = beside(port, &["--readiness-path", "/v1/models/m"]).await;
    until_ready(&gate).await;
    model.process.kill().await.expect("it is ours");
    let waiting = tokio::spawn(ask(gate.address, predict("m")));
    gate.until("m", |m| m["queue"]["depth"] == 1).await;
    gate.until("m", |m| m["replicas"][0]["state"] == "starting")
        .await;
    let port = port.to_string();
    let mut again = command(&["--port", &port, "--load-time", "300ms"]);
    let _again = again.spawn().expect("it starts");
    let answer = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(answer.outcome(), (200, ""));
}

#[tokio::test]
async fn knatives_environment_is_enough() {
    let model = Model::start(&["--port", "0"]).await;
    let port = model.address.port().to_string();
    let mut command = holdgate(&BESIDE);
    let probe =
        format!(r#"{{"httpGet":{{"path":"/v1/models/m","port":{port}}},"periodSeconds":0}}"#);
    let said = [
        ("CONTAINER_CONCURRENCY", "1"),
        ("USER_PORT", port.as_str()),
        ("QUEUE_SERVING_PORT", "8012"),
        ("SERVING_REVISION", "m"),
        ("SERVING_POD", "m-1"),
        ("REVISION_TIMEOUT_SECONDS", "20"),
        ("SERVING_READINESS_PROBE", probe.as_str()),
        ("SERVING_LOGGING_CONFIG", "{}"),
    ];
    command.envs(said);
    let gate = Gate::spawn(command).await;
    until_ready(&gate).await;
    let m = gate.report("m").await;
    assert_eq!(
        (&m["containerConcurrency"], &m["replicas"][0]["name"]),
        (&1.into(), &"m-1".into())
    );
    let mut asked = Vec::new();
    for _ in 0..12 {
        let question = predict_for("m", Duration::from_millis(200));
        asked.push(tokio::spawn(ask(gate.address, question)));
    }
    let mut outcomes = Vec::new();
    for answer in asked {
        let answer = answer.await.expect("no panic").expect("an answer");
        outcomes.push(answer.outcome().0);
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes[..11], [200; 11], "one runs and ten wait");
    assert_eq!(outcomes[11], 503);
}

#[tokio::test]
async fn metrics_stand_alone_on_their_port() {
    let model = Model::start(&["--port", "0"]).await;
    let gate = beside(model.address.port(), &[]).await;
    until_ready(&gate).await;
    assert_eq!(
        ask(gate.address, predict("m"))
            .await
            .expect("an answer")
            .status,
        200
    );
    let line = gate
        .log()
        .reread()
        .next(|line| line.says("listening on"))
        .await;
    let metrics = line
        .message()
        .split("metrics on http://")
        .nth(1)
        .expect("it is named");
    let metrics: SocketAddr = metrics
        .split(',')
        .next()
        .unwrap_or_default()
        .parse()
        .expect("an address");
    let text = ask(metrics, get("/metrics"))
        .await
        .expect("an answer")
        .text();
    assert!(
        text.contains("holdgate_requests_total{revision=\"m\",code=\"200\"} 1"),
        "{text}"
    );
    assert_eq!(
        ask(metrics, get("/revisions"))
            .await
            .expect("an answer")
            .status,
        404
    );
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let model = Model::start(&["--port", "0"]).await;
    let gate = beside(model.address.port(), &["--max-headers", "20"]).await;
    until_ready(&gate).await;
    let with = |many: usize| {
        let mut request = get("/v1/models/m");
        for n in 0..many {
            let name = format!("x-{n}").parse::<http::HeaderName>();
            let value = http::HeaderValue::from_static("1");
            request.headers_mut().insert(name.expect("a name"), value);
        }
        ask(gate.address, request)
    };
    assert_eq!(with(10).await.expect("an answer").status, 200);
    assert_eq!(with(30).await.expect("an answer").status, 431);
}
