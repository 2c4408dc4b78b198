//! What Knative's queue-proxy does at the door of one model server, done by a sidecar. Where we keep to
//! something else on purpose the case is run all the same, and held to that.

use std::time::Duration;

use holdgate::admission::meter::Report;
use holdgate::loads::Rates;
use holdgate::revision::{OverloadStatus, RevisionSpec};
use serde_json::Value;
use tokio::runtime::Builder;

use super::Outcome;
use super::Outcome::{Otherwise, Passed, Skipped};
use super::case::{close, count, number, seconds};
use crate::support::{Answer, Sidecar, get, ms, revision, saying, secs, settle};

// The table of what is otherwise, each with the reason.
const OWN_WORDS: &str = "the status is Knative's; the body is our own and names its reason, so that \
     programs can tell refusals apart";
const WAITED: &str = "504, not 503: a wait that ran out is told apart from a line that is full";
const LOOKS_CUT: &str = "a timeout after the first byte cuts the answer: text at the end of a body \
     that looks whole cannot be told from the model server's own";
const ALWAYS_LOOKS: &str =
    "a sidecar always looks at its model server, at its port if nothing else";
const ONLY_IDLENESS: &str = "no timer ends an upgraded connection but idleness in both directions";

/// Runs a story under a clock that jumps.
fn play<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(story)
}

pub(super) fn report(case: &Value) -> Outcome {
    let said = &case["report"];
    let report = |concurrency: &str, requests: &str| Report {
        average_concurrency: number(&said[concurrency]),
        requests: count(&said[requests]).into(),
    };
    let (all, proxied) = (report("c", "requests"), report("pc", "proxied"));
    let rates = Rates::over(seconds(&case["period_s"]), all, proxied);
    let want = &case["expect"];
    close(rates.average_concurrency, &want["c"], 1e-9);
    close(rates.average_proxied_concurrency, &want["pc"], 1e-9);
    close(rates.requests_per_second, &want["rps"], 1e-9);
    close(
        rates.proxied_requests_per_second,
        &want["proxied_rps"],
        1e-9,
    );
    Passed
}

pub(super) fn double_count(case: &Value) -> Outcome {
    let (stat, want) = (&case["pod_stat"], &case["recorded"]);
    let rates = Rates {
        average_concurrency: number(&stat["c"]),
        average_proxied_concurrency: number(&stat["pc"]),
        requests_per_second: number(&stat["r"]),
        proxied_requests_per_second: number(&stat["pr"]),
    };
    let (concurrency, requests) = rates.direct();
    close(concurrency, &want["c"], 1e-9);
    close(requests, &want["r"], 1e-9);
    Passed
}

pub(super) fn probe(case: &Value) -> Outcome {
    let Some(ready) = case["prober"].as_bool() else {
        return Skipped(ALWAYS_LOOKS);
    };
    let want = &case["expect"];
    let answer = play(async {
        let sidecar = Sidecar::cold(revision(1, 0..=1), true).await;
        sidecar.set_ready(ready);
        let mut request = saying("user-agent", "kube-probe/1.29", get("/healthz"));
        if let Some(said) = case["k_network_probe"].as_str() {
            request = saying("k-network-probe", said, request);
        }
        let answer = sidecar.ask(request).await;
        assert_eq!(sidecar.machine.seen().len(), 0, "nothing is passed on");
        answer
    });
    assert_eq!(
        u64::from(answer.code()),
        want["status"].as_u64().expect("a status")
    );
    if let Some(body) = want["body"].as_str() {
        assert_eq!(answer.text().trim_end(), body);
    }
    Passed
}

pub(super) fn http(case: &Value) -> Outcome {
    let want = &case["expect"];
    let status = || want["status"].as_u64().expect("a status");
    match case["name"].as_str() {
        Some("third of three with depth 1, cc 1") => {
            let (third, others) = play(three(knative(1, 1)));
            assert_eq!(u64::from(third.code()), status());
            assert_eq!(third.header("x-holdgate-reason"), Some("queue_full"));
            assert_eq!(others, [200, 200]);
            Otherwise(OWN_WORDS)
        }
        Some("deadline while queued") => {
            let mut spec = knative(1, 10);
            spec.queue.timeout = secs(1);
            let (first, second) = play(two(spec));
            assert_eq!((first.code(), second.code()), (200, 504));
            assert_eq!(second.header("x-holdgate-reason"), Some("queue_timeout"));
            assert_eq!(second.took, secs(1));
            Otherwise(WAITED)
        }
        Some("host restored, marker counted as proxied") => {
            play(host(&case["request"], want));
            Passed
        }
        Some("kubelet probes bypass breaker: 3 at once with cc 1 depth 1") => {
            let codes = play(async {
                let sidecar = Sidecar::warm(knative(1, 1), false).await;
                let probe = || saying("user-agent", "kube-probe/1.29", get("/?ms=100"));
                let asking = [probe(), probe(), probe()].map(|probe| sidecar.asking(probe));
                let mut codes = Vec::new();
                for asked in asking {
                    codes.push(asked.await.expect("no panic").code());
                }
                codes
            });
            assert!(
                codes
                    .iter()
                    .all(|code| Some(u64::from(*code)) == want["all"].as_u64()),
                "{codes:?}"
            );
            Passed
        }
        name => panic!("nobody knows {name:?}"),
    }
}

/// As Knative's settings are read: so many run and so many wait.
fn knative(limit: u32, waiting: usize) -> RevisionSpec {
    let mut spec = revision(limit, 0..=1);
    spec.queue.max_requests = waiting;
    spec.overload_status = OverloadStatus::ServiceUnavailable;
    spec
}

/// The answer to the third of three that come at once, and the codes of the others.
async fn three(spec: RevisionSpec) -> (Answer, [u16; 2]) {
    let sidecar = Sidecar::warm(spec, true).await;
    let first = sidecar.asking(get("/?ms=1000"));
    settle().await;
    let second = sidecar.asking(get("/?ms=1000"));
    settle().await;
    let third = sidecar.ask(get("/?ms=1000")).await;
    let first = first.await.expect("no panic").code();
    (third, [first, second.await.expect("no panic").code()])
}

/// The answers to two that come at once, of which the first takes long.
async fn two(spec: RevisionSpec) -> (Answer, Answer) {
    let sidecar = Sidecar::warm(spec, true).await;
    let first = sidecar.asking(get("/?ms=5000"));
    settle().await;
    let second = sidecar.ask(get("/?ms=1")).await;
    (first.await.expect("no panic"), second)
}

async fn host(said: &Value, want: &Value) {
    let sidecar = Sidecar::warm(knative(1, 10), true).await;
    let text = |name: &str| said[name].as_str().expect("a text").to_owned();
    let request = saying("host", &text("Host"), get("/"));
    let request = saying("k-original-host", &text("K-Original-Host"), request);
    let request = saying("k-proxy-request", &text("K-Proxy-Request"), request);
    assert_eq!(sidecar.ask(request).await.code(), 200);
    assert_eq!(sidecar.ask(get("/")).await.code(), 200);
    let seen = sidecar.machine.seen().remove(0);
    assert_eq!(
        seen.headers["host"],
        want["host_to_app"].as_str().expect("a host")
    );
    assert!(!seen.headers.contains_key("k-original-host"));
    let proxied = sidecar.door.proxied().requests;
    assert_eq!(Some(proxied), want["proxied_request_count"].as_u64());
    assert_eq!(sidecar.door.proxied_now(), 0);
}

/// A door with these timeouts; nothing is none.
fn bounded(
    total: Option<Duration>,
    start: Option<Duration>,
    idle: Option<Duration>,
) -> RevisionSpec {
    let mut spec = knative(1, 10);
    spec.timeouts.total = total;
    spec.timeouts.stream = total;
    spec.timeouts.first_byte = start;
    spec.timeouts.idle = idle;
    if let Some(total) = total {
        spec.queue.timeout = total;
    }
    spec
}

/// What comes of one request to a model server that behaves so.
fn answered(spec: RevisionSpec, behaviour: &'static str) -> Answer {
    play(async move {
        let sidecar = Sidecar::warm(spec, true).await;
        sidecar.ask(get(behaviour)).await
    })
}

/// The answer is of this status, and is cut.
fn is_cut(answer: &Answer, want: &Value) {
    assert_eq!(Some(u64::from(answer.code())), want["status"].as_u64());
    assert!(answer.body.is_err(), "{answer:?}");
}

fn is_refused(answer: &Answer, want: &Value) -> Outcome {
    assert_eq!(Some(u64::from(answer.code())), want["status"].as_u64());
    let reason = answer.header("x-holdgate-reason");
    assert_eq!(reason, Some("upstream_timeout"));
    if want["body"].is_string() {
        Otherwise(OWN_WORDS)
    } else {
        Passed
    }
}

pub(super) fn timeouts(case: &Value) -> Outcome {
    let bound = |name: &str| {
        let millis = case[name].as_u64();
        millis.filter(|millis| *millis > 0).map(ms)
    };
    let (total, start) = (bound("timeout_ms"), bound("response_start_ms"));
    let spec = bounded(total, start, bound("idle_ms"));
    let want = &case["expect"];
    match case["backend"].as_str().expect("a text") {
        // A timeout of a millisecond and an answer after a millisecond: here it is later.
        "first byte after 1 ms" | "silent" if want["status"] == 504 => {
            is_refused(&answered(spec, "/?ms=2000"), want)
        }
        "first byte at 0, rest at 60 ms" => {
            let answer = answered(spec, "/?chunks=2&gap=60&plain");
            assert_eq!(
                (answer.code(), answer.text()),
                (200, "data: 0\n\ndata: 1\n\n")
            );
            Passed
        }
        "foo then silence 101 ms" => {
            is_cut(&answered(spec, "/?chunks=2&gap=101&plain"), want);
            Otherwise(LOOKS_CUT)
        }
        "200 + 'partial response' then total timeout" => {
            let spec = bounded(Some(secs(1)), None, None);
            is_cut(&answered(spec, "/?chunks=2&gap=2000&plain"), want);
            Otherwise(LOOKS_CUT)
        }
        behaviour => panic!("nobody knows {behaviour:?}"),
    }
}

pub(super) fn timeouts_on_the_wire(case: &Value) -> Outcome {
    let want = &case["knative_observed"];
    let second = Some(secs(1));
    match case["name"].as_str().expect("a name") {
        "total 1 s, silent backend" => {
            is_refused(&answered(bounded(second, None, None), "/?ms=5000"), want)
        }
        "total 1 s, Content-Length 10, 3 bytes sent" => {
            is_cut(
                &answered(bounded(second, None, None), "/?chunks=2&gap=5000&plain"),
                want,
            );
            Passed
        }
        "idle 500 ms, silent" => is_refused(
            &answered(bounded(None, None, Some(ms(500))), "/?ms=5000"),
            want,
        ),
        "response-start 700 ms, silent" => is_refused(
            &answered(bounded(None, Some(ms(700)), None), "/?ms=5000"),
            want,
        ),
        "timed out while still queued" => {
            let mut spec = bounded(Some(secs(60)), None, None);
            spec.queue.timeout = secs(1);
            let (_, second) = play(two(spec));
            assert_eq!(Some(u64::from(second.code())), want["status"].as_u64());
            Otherwise(OWN_WORDS)
        }
        name if name.starts_with("websocket") => Skipped(ONLY_IDLENESS),
        name => panic!("nobody knows {name:?}"),
    }
}

pub(super) fn timeouts_end_to_end(case: &Value) -> Outcome {
    let bound = |name: &str| Some(seconds(&case[name])).filter(|bound| !bound.is_zero());
    let (total, start) = (bound("timeout_s"), bound("response_start_s"));
    let spec = bounded(total, start, bound("idle_s"));
    let (first, then) = (
        seconds(&case["first_byte_after_s"]),
        seconds(&case["then_sleep_s"]),
    );
    let (first, then) = (first.as_millis(), then.as_millis());
    let behaviour = format!("/?ms={first}&chunks=2&gap={then}&plain");
    let answer = answered(spec, behaviour.leak());
    let want = case["expect_status"].as_u64();
    assert_eq!(Some(u64::from(answer.code())), want);
    assert!(answer.body.is_ok(), "{answer:?}");
    Passed
}

pub(super) fn forwarded(case: &Value) -> Outcome {
    const HEADERS: [(&str, &str); 4] = [
        ("x_forwarded_for", "x-forwarded-for"),
        ("x_forwarded_host", "x-forwarded-host"),
        ("x_forwarded_proto", "x-forwarded-proto"),
        ("forwarded", "forwarded"),
    ];
    let seen = play(async {
        let sidecar = Sidecar::warm(knative(1, 10), true).await;
        let mut request = get("/");
        for (name, header) in HEADERS {
            let value = case[name].as_str().expect("a text");
            if !value.is_empty() {
                request = saying(header, value, request);
            }
        }
        assert_eq!(sidecar.ask(request).await.code(), 200);
        sidecar.machine.seen().remove(0)
    });
    let said = seen.headers.get("forwarded");
    let said = said.map_or("", |said| said.to_str().expect("text"));
    assert_eq!(said, case["expect"].as_str().expect("a text"));
    Passed
}
