//! Who is served first, and who is told at once that waiting is of no use.

use std::sync::Arc;
use std::time::Duration;

use holdgate::revision::{QueueOrder, RevisionSpec};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::refusals::check;
use crate::support::{Ask, Gate, get, ms, named, revision, secs, settle};

/// One slot at one replica, and a queue that goes by class and tenant.
fn fair() -> RevisionSpec {
    let mut spec = revision(1, 1..=1);
    spec.queue.order = QueueOrder::Fair {
        ageing: secs(30),
        max_tenants: 1000,
    };
    spec.queue.timeout = secs(3600);
    spec.wishes.tenant_header = Some("x-tenant".into());
    spec.wishes.class_header = Some("x-holdgate-class".into());
    spec
}

fn with(mut request: Ask, headers: &[(&'static str, &str)]) -> Ask {
    for (name, value) in headers {
        let value = value.parse().expect("a header value");
        request.headers_mut().insert(*name, value);
    }
    request
}

/// When each of a tenant's requests was asked and answered.
type Served = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// So many workers who each ask again as soon as they are answered, for ever.
fn workers(
    gate: &Arc<Gate>,
    count: usize,
    headers: &'static [(&'static str, &'static str)],
    all: &mut JoinSet<()>,
) -> Served {
    let served = Served::default();
    for _ in 0..count {
        let (gate, served) = (Arc::clone(gate), Arc::clone(&served));
        all.spawn(async move {
            let mut client = gate.client().await;
            loop {
                let asked = Instant::now();
                let answer = client.ask(with(get("/?ms=1000"), headers)).await;
                assert_eq!(answer.code(), 200);
                served.lock().push((asked, Instant::now()));
            }
        });
    }
    served
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_two_workers_is_served_as_often_as_one_with_a_hundred() {
    let gate = Arc::new(Gate::warm(fair()).await);
    let mut all = JoinSet::new();
    let large = workers(&gate, 100, &[("x-tenant", "large")], &mut all);
    sleep(secs(100)).await;
    let small = workers(&gate, 2, &[("x-tenant", "small")], &mut all);
    sleep(secs(10)).await;
    large.lock().clear();
    small.lock().clear();
    sleep(secs(1000)).await;
    let (large, small) = (large.lock().clone(), small.lock().clone());
    let count = |n: usize| f64::from(u32::try_from(n).expect("a few thousand"));
    let share = count(small.len()) / count(small.len() + large.len());
    assert!((share - 0.5).abs() < 0.025, "{share}");
    // Two at a time, every second second one is answered: four seconds each, one of them served.
    let took: Duration = small.iter().map(|(from, to)| *to - *from).sum();
    let took = took.as_secs_f64() / count(small.len());
    assert!((took - 4.0).abs() < 0.2, "{took}");
    assert_eq!(gate.machine.most_inside(), 1);
}

#[tokio::test(start_paused = true)]
async fn bulk_ends_though_there_is_always_something_more_important() {
    let gate = Arc::new(Gate::warm(fair()).await);
    let mut all = JoinSet::new();
    let interactive = [("x-tenant", "a"), ("x-holdgate-class", "interactive")];
    let interactive = Box::leak(Box::new(interactive));
    let _served = workers(&gate, 5, interactive, &mut all);
    sleep(secs(10)).await;
    let asked = Instant::now();
    let bulk = with(get("/?ms=1000"), &[("x-holdgate-class", "bulk")]);
    assert_eq!(gate.asking(bulk).await.unwrap().code(), 200);
    // Two classes up, then at most one turn of the others', then its own.
    let took = asked.elapsed();
    assert!(took > secs(60) && took < secs(64), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_more_important_are_served_first_and_each_class_in_its_order() {
    let gate = Gate::warm(fair()).await;
    let _running = gate.asking(named("running", get("/?ms=1000")));
    settle().await;
    let mut asked = Vec::new();
    for (n, class) in [
        "bulk",
        "default",
        "what",
        "interactive",
        "system",
        "interactive",
    ]
    .into_iter()
    .enumerate()
    {
        let request = with(get("/?ms=1000"), &[("x-holdgate-class", class)]);
        asked.push(gate.asking(named(n, request)));
        settle().await;
    }
    let report = gate.report("/revisions/m").await;
    let classes = &report["queue"]["classes"];
    assert_eq!(classes["interactive"], 2, "{report}");
    assert_eq!(classes["default"], 2, "an unknown word is none");
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    let seen: Vec<String> = gate
        .machine
        .seen()
        .into_iter()
        .map(|seen| seen.id)
        .collect();
    assert_eq!(seen, ["running", "4", "3", "5", "1", "2", "0"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_more_important_by_saying_so_where_that_is_not_asked_for() {
    let mut spec = fair();
    spec.wishes.class_header = None;
    let gate = Gate::warm(spec).await;
    let _running = gate.asking(named("running", get("/?ms=1000")));
    settle().await;
    let first = gate.asking(named("first", get("/?ms=1000")));
    settle().await;
    let system = with(get("/?ms=1000"), &[("x-holdgate-class", "system")]);
    let second = gate.asking(named("second", system));
    let _ = (first.await.unwrap(), second.await.unwrap());
    let seen = gate.machine.seen();
    let order: Vec<&str> = seen.iter().map(|seen| seen.id.as_str()).collect();
    assert_eq!(order, ["running", "first", "second"]);
    let ours = |name: &str| seen.iter().any(|seen| seen.headers.contains_key(name));
    assert!(
        !ours("x-holdgate-class"),
        "what is said to us goes no further"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_room_for_a_tenant_that_has_less_in_it() {
    let mut spec = fair();
    spec.queue.max_requests = 4;
    let gate = Gate::warm(spec).await;
    let ask = |tenant: &str| gate.asking(with(get("/?ms=1000"), &[("x-tenant", tenant)]));
    let mut large = Vec::new();
    for _ in 0..5 {
        large.push(ask("large"));
        settle().await;
    }
    let small = ask("small");
    settle().await;
    // The newest of the large one has left, at once.
    check(
        &large.remove(4).await.unwrap(),
        429,
        "queue_full",
        Some("1"),
    );
    check(&ask("large").await.unwrap(), 429, "queue_full", Some("1"));
    assert_eq!(small.await.unwrap().code(), 200);
    for answer in large {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    assert_eq!(gate.registry.crowd.read(), (0, 0));
}

/// One slot, with answers of a second each as was measured, one running and four that wait.
async fn busy(
    spec: RevisionSpec,
) -> (
    Gate,
    Vec<tokio_util::task::AbortOnDropHandle<crate::support::Answer>>,
) {
    let gate = Gate::warm(spec).await;
    gate.ask(get("/?ms=1000")).await;
    let mut waiting = Vec::new();
    for n in 0..5 {
        waiting.push(gate.asking(named(n, get("/?ms=1000"))));
        settle().await;
    }
    (gate, waiting)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_in_time_is_refused_at_once() {
    let (gate, waiting) = busy(revision(1, 1..=1)).await;
    let began = Instant::now();
    // Four are before it, a second each, and then its own.
    for (name, value) in [
        ("grpc-timeout", "4S"),
        ("grpc-timeout", "4900m"),
        ("x-holdgate-timeout", "4s"),
        ("x-holdgate-timeout", "500ms"),
        ("x-holdgate-timeout", "4"),
        ("x-stainless-read-timeout", "3"),
    ] {
        let answer = gate.ask(with(get("/?ms=1000"), &[(name, value)])).await;
        check(&answer, 504, "deadline_unmeetable", Some("4"));
        assert_eq!(began.elapsed(), ms(0), "{name}: {value}");
    }
    for both in [("20S", "4s"), ("4S", "20s")] {
        let both = [("grpc-timeout", both.0), ("x-holdgate-timeout", both.1)];
        let answer = gate.ask(with(get("/?ms=1000"), &both)).await;
        check(&answer, 504, "deadline_unmeetable", Some("4"));
    }
    assert_eq!(gate.reading().waiting, 4, "they are not in the queue");
    assert_eq!(gate.stats().rejections.read(), [("deadline_unmeetable", 8)]);
    for (n, answer) in (1..).zip(waiting) {
        assert_eq!(answer.await.unwrap().code(), 200);
        assert_eq!(began.elapsed().as_secs(), n, "nobody else waits longer");
    }
    assert_eq!(gate.machine.seen().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_answered_in_time_is_and_what_turns_out_late_leaves_at_its_deadline() {
    let (gate, waiting) = busy(revision(1, 1..=1)).await;
    let in_time = gate.asking(with(get("/?ms=1000"), &[("x-holdgate-timeout", "7s")]));
    settle().await;
    let hint = gate.asking(with(get("/?ms=9000"), &[("x-stainless-read-timeout", "6")]));
    settle().await;
    // The one before it takes longer than most.
    let began = Instant::now();
    let late = gate.asking(with(get("/"), &[("x-holdgate-timeout", "8s")]));
    let late = late.await.unwrap();
    check(&late, 504, "deadline_unmeetable", Some("2"));
    assert_eq!(began.elapsed(), secs(8));
    assert_eq!(in_time.await.unwrap().code(), 200);
    assert_eq!(hint.await.unwrap().code(), 200);
    let seen = gate.machine.seen();
    let told = seen
        .iter()
        .any(|seen| seen.headers.contains_key("x-holdgate-timeout"));
    assert!(!told, "what is ours ends here");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_within_a_start_is_refused_once_a_start_was_measured() {
    let mut spec = revision(1, 0..=1);
    spec.scaling.stop_after_idle = Some(secs(20));
    let gate = Gate::new(spec, secs(9));
    let hurried = || with(get("/"), &[("x-holdgate-timeout", "5s")]);
    // Nothing is known: it waits as long as it has.
    let began = Instant::now();
    check(
        &gate.ask(hurried()).await,
        504,
        "deadline_unmeetable",
        Some("1"),
    );
    assert_eq!(began.elapsed(), secs(5));
    assert_eq!(gate.ask(get("/")).await.code(), 200);
    gate.until(|gate| gate.reading().serving == 0).await;
    sleep(secs(60)).await;
    // It is known, and who comes first wakes it by waiting. Who comes after that is told at once.
    let waking = gate.asking(get("/"));
    sleep(ms(1_500)).await;
    let began = Instant::now();
    let answer = gate.ask(hurried()).await;
    assert_eq!(began.elapsed(), ms(0), "{answer:?}");
    assert_eq!(
        answer.header("x-holdgate-reason"),
        Some("deadline_unmeetable")
    );
    let patient = gate.asking(with(get("/"), &[("x-holdgate-timeout", "9s")]));
    assert_eq!(waking.await.unwrap().code(), 200);
    assert_eq!(patient.await.unwrap().code(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_nobodys_business_where_that_is_switched_off() {
    let mut spec = revision(1, 1..=1);
    spec.wishes.deadlines = false;
    let (gate, waiting) = busy(spec).await;
    let hurried = gate.asking(with(get("/"), &[("grpc-timeout", "1m")]));
    assert_eq!(hurried.await.unwrap().code(), 200);
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn all_revisions_together_hold_no_more_than_the_process_may() {
    let mut gate = Gate::empty();
    for name in ["a", "b"] {
        let mut spec = revision(1, 1..=1);
        spec.id = holdgate::revision::RevisionId::new(name);
        spec.hosts = vec![format!("{name}.example")];
        spec.models.clear();
        gate.add(spec, crate::support::process(ms(0)));
    }
    gate.until(|gate| {
        gate.registry
            .all()
            .iter()
            .all(|r| r.throttler.read().serving == 1)
    })
    .await;
    gate.registry.crowd.set_limits(3, 1 << 20);
    let to = |name: &str, request: Ask| {
        let host = format!("{name}.example");
        gate.asking(with(request, &[("host", &host)]))
    };
    let mut held = Vec::new();
    for name in ["a", "b", "a", "b", "b"] {
        held.push(to(name, get("/?ms=1000")));
        settle().await;
    }
    assert_eq!(gate.registry.crowd.read(), (3, 0));
    let refused = to("a", get("/")).await.unwrap();
    check(&refused, 429, "queue_full", Some("1"));
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("maxQueuedRequests"), "{detail}");
    // More may wait as soon as somebody says so, but hold no more than they may.
    gate.registry.crowd.set_limits(5, 1000);
    held.push(to("a", crate::support::post("/?ms=1000", 900)));
    settle().await;
    let refused = to("b", crate::support::post("/", 101)).await.unwrap();
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("maxQueuedBytes"), "{detail}");
    for answer in held {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    assert_eq!(
        gate.registry.crowd.read(),
        (0, 0),
        "nothing is counted for ever"
    );
}
