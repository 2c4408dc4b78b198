//! `holdgate explain`, asked of a gate that runs.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::Value;

use super::client::{ask, predict_for};
use super::support::{Gate, Settings, holdgate, revision};

/// What it prints, what it complains of, and its exit code.
async fn explain(words: &[&str]) -> (String, String, Option<i32>) {
    let said = holdgate(&[&["explain"], words].concat()).output().await;
    let said = said.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(said.stdout), text(said.stderr), said.status.code())
}

async fn gate() -> (Settings, Gate, String) {
    let settings = Settings::new(&[revision("m", "minReplicas: 0", "--load-time 10ms")]);
    let gate = settings.run(&[]).await;
    let admin = format!("http://{}", gate.admin);
    (settings, gate, admin)
}

#[tokio::test]
async fn a_person_is_told_which_request_keeps_a_revision_from_zero() {
    let (_settings, gate, admin) = gate().await;
    let (told, complaint, code) = explain(&["m", "--admin", &admin]).await;
    assert!(told.starts_with("at zero: no request since "), "{told}");
    assert!(
        told.contains("the next request starts 1 replica at once"),
        "{told}"
    );
    assert_eq!((&*complaint, code), ("", Some(0)));

    let asking = tokio::spawn(ask(
        gate.address,
        predict_for("m", Duration::from_secs(300)),
    ));
    gate.until("m", |report| report["inFlight"] == 1).await;

    let (told, _, code) = explain(&["m", "--admin", &admin]).await;
    let sentence = told.lines().next().unwrap_or_default();
    let named = "kept from zero by POST /v1/models/m:predict, answering for ";
    assert!(sentence.starts_with("1 replica: "), "{told}");
    assert!(sentence.contains(named), "{told}");
    assert_eq!(code, Some(0));

    let (told, _, _) = explain(&["m", "--json", "--admin", &admin]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["revision"], "m");
    assert_eq!(told["oldestRequests"][0]["state"], "answering");
    assert!(told["toZeroSeconds"].as_f64() > Some(60.0), "{told:#}");
    asking.abort();
}

#[tokio::test]
async fn a_name_that_nobody_has_is_wrong_usage_and_the_nearest_are_told() {
    let (_settings, _gate, admin) = gate().await;
    for name in ["n", "m/../m", "ä m?"] {
        let (told, complaint, code) = explain(&[name, "--admin", &admin]).await;
        let want = format!("no revision is named {name:?}; known: m\n");
        assert_eq!((&*told, &*complaint, code), ("", &*want, Some(2)));
    }
    for wrong in ["https://127.0.0.1:1", "off on", "http://a/b", ""] {
        let (_, complaint, code) = explain(&["m", "--admin", wrong]).await;
        assert!(
            complaint.contains("is no address of an admin port"),
            "{complaint}"
        );
        assert_eq!(code, Some(2));
    }
}

#[tokio::test]
async fn where_no_gate_answers_it_says_so() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let nobody = taken.local_addr().expect("it listens").to_string();
    drop(taken);
    let (told, complaint, code) = explain(&["m", "--admin", &nobody]).await;
    assert_eq!((&*told, code), ("", Some(1)));
    let want = format!("no gate answers at http://{nobody} (Connection refused");
    assert!(complaint.starts_with(&want), "{complaint}");

    // The data port of a gate leads to a model server, which knows nothing of revisions.
    let (_settings, gate, _) = gate().await;
    let (_, complaint, code) = explain(&["m", "--admin", &gate.address.to_string()]).await;
    let want = format!(
        "what answers 404 Not Found at http://{} is no gate\n",
        gate.address
    );
    assert_eq!((complaint, code), (want, Some(1)));
}
