//! What passes, what ends here, and what is added.

use http::Version;

use crate::support::{Gate, LABELS, get, ms, named, revision, secs, settle};

#[tokio::test(start_paused = true)]
async fn a_model_server_sees_the_request_as_it_came_and_who_asked() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let mut request = named("7", get("/a/b?ms=1"));
    for (name, value) in [
        ("connection", "close, x-secret"),
        ("connection", "x-another"),
        ("x-secret", "1"),
        ("x-another", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("x-forwarded-for", "1.2.3.4"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("authorization", "Bearer t"),
    ] {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    assert_eq!(gate.ask(request).await.code(), 200);
    let seen = gate.machine.seen().remove(0);
    assert_eq!(seen.target, "/a/b?ms=1");
    let mut headers: Vec<_> = seen.headers.iter().collect::<Vec<_>>();
    headers.sort_by_key(|(name, _)| name.as_str());
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let want = [
        ("authorization", "Bearer t"),
        ("host", "m.example"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("x-forwarded-for", "1.2.3.4, 10.0.0.9"),
        ("x-forwarded-host", "m.example"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "7"),
    ];
    assert_eq!(headers, want);
}

#[tokio::test(start_paused = true)]
async fn a_client_sees_the_answer_as_it_came_and_how_long_it_waited() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let answer = gate.ask(get("/?labelled")).await;
    let told = answer.headers.iter().map(|(name, value)| {
        let value = value.to_str().expect("text");
        (name.as_str(), value)
    });
    let ours = |name: &str| matches!(name, "date" | "content-length");
    let mut told: Vec<_> = told.filter(|(name, _)| !ours(name)).collect();
    told.sort_unstable();
    let mut want = LABELS.to_vec();
    want.insert(5, ("server-timing", "queue;dur=0"));
    assert_eq!(told, want);
}

#[tokio::test(start_paused = true)]
async fn who_waited_is_told_for_what() {
    let gate = Gate::new(revision(1, 0..=1), secs(9));
    let first = gate.asking(get("/?ms=1000"));
    settle().await;
    let second = gate.asking(get("/?ms=1000"));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let cold = Some("true");
    assert_eq!(first.header("x-holdgate-cold-start"), cold);
    assert_eq!(second.header("x-holdgate-cold-start"), cold);
    let started = first.took.saturating_sub(secs(1));
    let cold = format!("{:.1}", started.as_secs_f64() * 1000.0);
    let want = format!("queue;dur=0.0, cold;dur={cold}");
    assert_eq!(first.header("server-timing"), Some(&*want));
    let want = format!("queue;dur=1000.0, cold;dur={cold}");
    assert_eq!(second.header("server-timing"), Some(&*want));
    assert!(
        started >= secs(9) && started < ms(9050),
        "{started:?} for a start of 9 s"
    );

    let (third, fourth) = (gate.asking(get("/?ms=250")), gate.asking(get("/?ms=250")));
    let (third, fourth) = (third.await.unwrap(), fourth.await.unwrap());
    assert_eq!(third.header("server-timing"), Some("queue;dur=0"));
    assert_eq!(fourth.header("server-timing"), Some("queue;dur=250.0"));
    assert_eq!(fourth.header("x-holdgate-cold-start"), None);
}

#[tokio::test(start_paused = true)]
async fn each_hop_speaks_its_own_version() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let mut client = gate.client().await;
    let response = client.send(get("/?chunks=2&gap=10&old")).await;
    assert_eq!(response.version(), Version::HTTP_11);

    let mut request = get("/?chunks=2&gap=10");
    *request.version_mut() = Version::HTTP_10;
    assert_eq!(gate.ask(request).await.text(), "data: 0\n\ndata: 1\n\n");
    assert_eq!(gate.machine.seen()[1].version, Version::HTTP_11);
}
