//! A gate that is given an `InferenceService` instead of a file of ours.

use http::StatusCode;

use super::client::{ask, predict};
use super::support::*;

/// A service of which the predictor says this.
fn service(predictor: &str) -> String {
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {{ name: m }}\n\
         spec: {{ predictor: {{ model: {{}}, minReplicas: 0, {predictor} }} }}\n"
    )
}

#[tokio::test]
async fn a_manifest_and_a_command_are_a_gate_and_warnings_are_logged_at_every_reading() {
    let settings = Settings::new(&[]);
    settings.write_text(&service("containerConcurrency: 3"));
    let server = [
        "holdgate",
        "sample-model",
        "--port",
        "{port}",
        "--model",
        "m",
    ];
    let gate = settings.run(&[&["--"], &server[..]].concat()).await;
    let answer = ask(gate.address, predict("m")).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::OK);
    gate.until("m-predictor", |report| report["containerConcurrency"] == 3)
        .await;
    settings.write_text(&service("containerConcurrency: 4, scaleMetric: qps"));
    let warned = gate
        .log()
        .next(|line| line.text("warning").contains("scaleMetric"))
        .await;
    assert!(
        warned
            .text("warning")
            .ends_with("which is what KServe's API takes")
    );
    gate.until("m-predictor", |report| report["containerConcurrency"] == 4)
        .await;
}

#[tokio::test]
async fn a_manifest_alone_can_be_checked_but_not_run() {
    let settings = Settings::new(&[]);
    settings.write_text(&service("maxReplicas: 2"));
    let told = |command: &str| {
        let words = [command, "-f", settings.path()];
        holdgate(&words).output()
    };
    let checked = told("check").await.expect("it ends");
    assert!(checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stdout).contains("0 to 2 replicas"));
    let run = told("run").await.expect("it ends");
    assert_eq!(run.status.code(), Some(2));
    let why = String::from_utf8_lossy(&run.stderr);
    assert!(
        why.contains("spec.predictor: no command to run it, wanted -- COMMAND"),
        "{why}"
    );
}
