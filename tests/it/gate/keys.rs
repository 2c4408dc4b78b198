//! API keys in a file, as a person makes them and takes them away.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::client::{Answer, ask, predict};
use super::support::*;

/// What the README says prints the digest of a key.
fn digest(key: &str) -> String {
    let mut sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is everywhere");
    let mut stdin = sum.stdin.take().expect("it was piped");
    stdin.write_all(key.as_bytes()).expect("written");
    drop(stdin);
    let told = sum.wait_with_output().expect("it ends").stdout;
    let told = String::from_utf8(told).expect("text");
    told.split(' ').next().expect("a word").to_owned()
}

fn settings(keys: &str) -> String {
    format!(
        "apiKeys: {keys}\nrevisions:\n{}",
        revision("m", "minReplicas: 0", "")
    )
}

async fn asked(gate: &Gate, key: &str) -> Answer {
    let mut question = predict("m");
    let bearer = format!("Bearer {key}").parse().expect("plain text");
    question.headers_mut().insert("authorization", bearer);
    ask(gate.address, question).await.expect("it answers")
}

#[tokio::test]
async fn a_key_comes_and_goes_with_the_file_and_is_never_told() {
    let (old, new) = (digest("old-secret"), digest("new-secret"));
    let entry = |name: &str, digest: &str| format!("{{ name: {name}, sha256: {digest} }}");
    let file = Settings::new(&[]);
    file.write_text(&settings(&format!("[{}]", entry("old", &old))));
    let gate = file.run(&[]).await;
    assert_eq!(asked(&gate, "old-secret").await.status, 200);
    assert_eq!(
        asked(&gate, "new-secret").await.outcome(),
        (401, "unauthorized")
    );

    file.write_text(&settings(&format!("[{}]", entry("new", &new))));
    let mut log = gate.log();
    log.next(|line| line.says("reading the configuration again"))
        .await;
    until("it is known", async || {
        asked(&gate, "new-secret").await.status == 200
    })
    .await;
    assert_eq!(
        asked(&gate, "old-secret").await.outcome(),
        (401, "unauthorized")
    );

    // A bad file opens nothing and closes nothing; the key that stands there by mistake is not told.
    file.write_text(&settings("[{ name: new, sha256: old-secret }]"));
    let bad = log.next(|line| line.says("not understood")).await;
    let complaint = bad.text("complaint");
    assert!(
        complaint.contains("apiKeys[0].sha256: wanted 64"),
        "{complaint}"
    );
    log.next(|line| line.says("the configuration stays as it was"))
        .await;
    assert_eq!(asked(&gate, "new-secret").await.status, 200);
    assert_eq!(asked(&gate, "old-secret").await.status, 401);
    for secret in ["old-secret", "new-secret", &old, &new] {
        assert!(!complaint.contains(secret), "{complaint}");
    }
}
