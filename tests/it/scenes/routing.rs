//! By what a request finds its revision besides host and path: a name in a header, and the model in
//! its body.

use std::collections::BTreeMap;

use holdgate::registry::Lead;
use holdgate::revision::{RevisionId, RevisionSpec};
use http_body_util::BodyExt as _;

use crate::support::{
    Answer, Ask, Gate, defaults, get, ms, post_text, post_told, process, secs, settle, telling,
    with,
};

const CHAT: &str = "/v1/chat/completions";

fn spec(name: &str, models: &[&str]) -> RevisionSpec {
    RevisionSpec {
        models: models.iter().map(|&model| model.to_owned()).collect(),
        ..defaults(name)
    }
}

/// Two revisions, of which one has its model by two names.
fn two() -> Gate {
    let mut gate = Gate::empty();
    gate.add(spec("a", &["a", "llama3:8b"]), process(ms(10)));
    gate.add(spec("b", &["b"]), process(ms(10)));
    gate
}

/// Who has answered, by what was counted.
async fn taken(gate: &Gate, request: Ask) -> (&'static str, Answer) {
    let counted = |name| gate.codes_of(name).values().sum::<u64>();
    let before = ["a", "b"].map(counted);
    let answer = gate.ask(request).await;
    let after = ["a", "b"].map(counted);
    let by = match (after[0] - before[0], after[1] - before[1]) {
        (1, 0) => "a",
        (0, 1) => "b",
        (0, 0) => "nobody",
        both => panic!("{both:?}"),
    };
    (by, answer)
}

async fn goes_to(gate: &Gate, request: Ask) -> &'static str {
    let (by, answer) = taken(gate, request).await;
    match answer.code() {
        200 => by,
        404 if answer.header("x-holdgate-reason") == Some("no_route") => "nobody",
        other => panic!("{other}: {answer:?}"),
    }
}

fn naming(name: &str, request: Ask) -> Ask {
    with("x-holdgate-revision", name, request)
}

fn at(host: &str, request: Ask) -> Ask {
    with("host", host, request)
}

#[tokio::test(start_paused = true)]
async fn a_name_in_the_header_wins_over_host_path_and_body_and_is_not_passed_on() {
    let gate = two();
    assert_eq!(
        goes_to(&gate, naming("b", at("a.example", get("/")))).await,
        "b"
    );
    assert_eq!(
        goes_to(&gate, naming("b", get("/v1/models/a:predict"))).await,
        "b"
    );
    let body = post_text(CHAT, r#"{"model":"a"}"#);
    assert_eq!(goes_to(&gate, naming("b", body)).await, "b");
    for unknown in ["c", "B", "b ", "", "a.example"] {
        let request = naming(unknown, at("a.example", get("/")));
        let want = if unknown.trim() == "b" { "b" } else { "nobody" };
        assert_eq!(goes_to(&gate, request).await, want, "{unknown:?}");
    }
    let mut twice = naming("a", get("/"));
    let b = "b".parse().expect("a header value");
    twice.headers_mut().append("x-holdgate-revision", b);
    assert_eq!(goes_to(&gate, twice).await, "nobody");
    let seen = gate.machine.seen();
    assert!(
        seen.iter()
            .all(|s| !s.headers.contains_key("x-holdgate-revision"))
    );
    assert_eq!(seen.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_only_revision_is_not_given_what_names_another() {
    let gate = Gate::new(spec("a", &["a"]), ms(10));
    assert_eq!(gate.ask(naming("a", get("/"))).await.code(), 200);
    let answer = gate.ask(naming("b", get("/"))).await;
    assert_eq!(answer.header("x-holdgate-reason"), Some("no_route"));
    let told = answer.json();
    assert_eq!(told["detail"], "no revision is called \"b\"");
}

#[tokio::test(start_paused = true)]
async fn a_door_decides_whatever_a_header_names() {
    let gate = two();
    let lead = Lead::To(RevisionId::new("a"));
    gate.registry.set_doors(&BTreeMap::from([(1, lead)]));
    for name in ["b", "nobody"] {
        assert_eq!(gate.ask_at(1, naming(name, get("/"))).await.code(), 200);
    }
    assert_eq!(gate.codes_of("a"), BTreeMap::from([(200, 2)]));
    let seen = gate.machine.seen();
    assert!(
        seen.iter()
            .all(|s| !s.headers.contains_key("x-holdgate-revision"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_model_in_the_body_decides_where_nothing_else_does() {
    let mut gate = two();
    // Who names models has no other name here.
    gate.add(spec("c", &["d"]), process(ms(10)));
    let body = |model: &str| format!(r#"{{"messages":[{{"model":"b"}}],"model":"{model}"}}"#);
    for prefix in ["", "/openai"] {
        for path in [
            "chat/completions",
            "completions",
            "embeddings",
            "responses",
            "rerank",
            "images/edits",
            "audio/speech",
        ] {
            let path = format!("{prefix}/v1/{path}");
            for (model, want) in [("a", "a"), ("llama3:8b", "a"), ("b", "b"), ("c", "nobody")] {
                let request = post_text(&path, body(model));
                assert_eq!(goes_to(&gate, request).await, want, "{path} {model}");
            }
        }
    }
    // Host and path go before it.
    assert_eq!(
        goes_to(&gate, at("b.example", post_text(CHAT, body("a")))).await,
        "b"
    );
    // Forms are no JSON, and not held back to find that out.
    let form = post_text("/v1/audio/transcriptions", body("a"));
    assert_eq!(goes_to(&gate, form).await, "nobody");
    // Elsewhere a body is nobody's business.
    assert_eq!(
        goes_to(&gate, post_text("/v1/other", body("a"))).await,
        "nobody"
    );
    let mut read = post_text(CHAT, body("a"));
    *read.method_mut() = http::Method::PUT;
    assert_eq!(goes_to(&gate, read).await, "nobody");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_goes_on_from_its_beginning() {
    let gate = two();
    let text = format!(r#"{{"x":"{}","model":"a","y":1}}"#, "x".repeat(300_000));
    let answer = gate
        .ask(post_text(&format!("{CHAT}?echo"), text.clone()))
        .await;
    assert_eq!(answer.text(), text);
    // In crumbs, too, and with its length unknown.
    let (teller, told) = telling();
    let asked = gate.asking(post_told(&format!("{CHAT}?echo"), told));
    for piece in text.as_bytes().chunks(7919) {
        assert!(teller.say(piece.to_vec()).await);
    }
    drop(teller);
    assert_eq!(asked.await.expect("no panic").text(), text);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_held_back_no_longer_than_until_its_model_is_known() {
    let gate = two();
    let (teller, told) = telling();
    let mut client = gate.client().await;
    let (first, rest) = (r#"{"model":"a","#, r#""x":1}"#);
    teller.say(first).await;
    let mut body = client
        .send(post_told(&format!("{CHAT}?echo"), told))
        .await
        .into_body();
    let frame = body
        .frame()
        .await
        .expect("it goes on")
        .expect("it is whole");
    assert_eq!(frame.into_data().expect("data"), first);
    teller.say(rest).await;
    drop(teller);
    assert_eq!(body.collect().await.expect("it is whole").to_bytes(), rest);
}

/// Asks, is refused, and hears why.
async fn refused(gate: &Gate, request: Ask) -> String {
    let (by, answer) = taken(gate, request).await;
    assert_eq!((by, answer.code()), ("nobody", 404), "{answer:?}");
    assert_eq!(answer.header("x-holdgate-reason"), Some("no_route"));
    let message = answer.json()["error"]["message"].clone();
    message.as_str().expect("text").to_owned()
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_routed_hears_what_was_looked_at() {
    let gate = two();
    let told = async |body: &str| refused(&gate, post_text(CHAT, body.to_owned())).await;
    let nobody = r#"no revision takes host "m.example" and path "/v1/chat/completions"; its body "#;
    let cases = [
        (
            r#"{"model":"c"}"#,
            r#"asks for model "c", which nobody has"#,
        ),
        (r#"{"x":{"model":"a"}}"#, "names no model"),
        ("{}", "names no model"),
        ("", "is JSON that is cut short"),
        (r#"{"model":"a"#, "is JSON that is cut short"),
        ("model=a", "is no JSON at byte 0"),
        (r#"["model","a"]"#, "is no JSON object"),
        (r#"{"model":["a"]}"#, r#"has a "model" that is no name"#),
    ];
    for (body, want) in cases {
        assert_eq!(told(body).await, format!("{nobody}{want}"), "{body}");
    }
    let zipped = with(
        "content-encoding",
        "gzip",
        post_text(CHAT, r#"{"model":"a"}"#),
    );
    let want = format!("{nobody}is encoded (gzip) and was not looked at");
    assert_eq!(refused(&gate, zipped).await, want);
    let plain = with(
        "content-encoding",
        "Identity",
        post_text(CHAT, r#"{"model":"a"}"#),
    );
    assert_eq!(goes_to(&gate, plain).await, "a");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_no_further_than_allowed() {
    let gate = two();
    // The pieces that come may be a little more than what is left.
    let far = format!(r#"{{"x":"{}","model":"a"}}"#, "x".repeat(2 << 20));
    let why = refused(&gate, post_text(CHAT, far)).await;
    assert!(
        why.ends_with("no model stands in the first 1048576 bytes of its body"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_send_what_decides_is_not_waited_for() {
    let gate = two();
    let (teller, told) = telling();
    let asked = gate.asking(post_told(CHAT, told));
    teller.say(r#"{"mod"#).await;
    let answer = asked.await.expect("no panic");
    assert_eq!((answer.code(), answer.took), (408, secs(30)));
    assert_eq!(answer.header("x-holdgate-reason"), Some("body_timeout"));

    // One that leaves is not, either.
    let (teller, told) = telling();
    let asked = gate.asking(post_told(CHAT, told));
    teller.say(r#"{"mod"#).await;
    settle().await;
    drop(asked);
    settle().await;
    let left: BTreeMap<u16, u64> = gate.registry.unrouted.codes.iter().collect();
    assert_eq!(left, BTreeMap::from([(408, 1), (499, 1)]));
}

#[tokio::test(start_paused = true)]
async fn the_only_revision_takes_bodies_unread() {
    let gate = Gate::new(spec("a", &["a"]), ms(10));
    for body in ["", "model=c", r#"{"model":"c"}"#] {
        assert_eq!(gate.ask(post_text(CHAT, body)).await.code(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_counts_where_it_waits_and_is_bounded_there() {
    let mut gate = Gate::empty();
    let mut small = spec("a", &["a"]);
    small.queue.max_bytes = 1000;
    small.max_body_bytes = Some(5000);
    gate.add(small, process(secs(9)));
    gate.add(spec("b", &["b"]), process(secs(9)));
    let body = |bytes: usize| format!(r#"{{"x":"{}","model":"a"}}"#, "x".repeat(bytes));
    let waits = gate.asking(post_text(CHAT, body(900)));
    settle().await;
    assert_eq!(gate.reading().waiting_bytes, body(900).len() as u64);
    assert_eq!(gate.ask(post_text(CHAT, body(900))).await.code(), 429);
    // One whose length nobody knows, too.
    let (teller, told) = telling();
    let asked = gate.asking(post_told(CHAT, told));
    teller.say(body(900)).await;
    assert_eq!(asked.await.expect("no panic").code(), 429);
    drop(teller);
    let (teller, told) = telling();
    let asked = gate.asking(post_told(CHAT, told));
    teller.say(body(6000)).await;
    assert_eq!(asked.await.expect("no panic").code(), 413);
    drop(teller);
    assert_eq!(waits.await.expect("no panic").code(), 200);
    assert_eq!(gate.reading().waiting_bytes, 0);
}
