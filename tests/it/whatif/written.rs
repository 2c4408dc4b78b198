//! The files that `holdgate simulate` writes: their keys and columns are a promise, and the picture
//! shows what it says it shows.

use serde_json::Value;

use super::*;
use crate::support::{Gate, get, revision, secs};

/// The keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn everything_is_written_as_json_with_these_keys() {
    let place = Place::new();
    let (path, file) = place.file("all.json");
    assert_eq!(sample(&[&SWEEP[..], &["--json", &file]].concat()).code, 0);
    let all: Value = serde_json::from_str(&text(&path)).expect("JSON");
    assert_eq!(keys(&all), ["runs", "seed", "version"]);
    assert_eq!((&all["version"], &all["seed"]), (&1.into(), &1.into()));
    let runs = all["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 6);
    let run = &runs[1];
    assert_eq!(keys(run), ["lengthSeconds", "revisions", "settings"]);
    assert_eq!(run["settings"]["stableWindow"], "60s");
    assert_eq!(run["lengthSeconds"], 180.0);
    let revision = &run["revisions"][0];
    assert_eq!(
        keys(revision),
        ["decisions", "revision", "series", "summary"]
    );
    let summary = [
        "answered",
        "coldRequests",
        "coldStarts",
        "left",
        "peakReplicas",
        "peakWaiting",
        "rejected",
        "rejectedByReason",
        "replicaHours",
        "requests",
        "starts",
        "unfinished",
        "wait",
    ];
    assert_eq!(keys(&revision["summary"]), summary);
    let waits = ["maxSeconds", "p50Seconds", "p99Seconds"];
    assert_eq!(keys(&revision["summary"]["wait"]), waits);
    let series = revision["series"].as_array().expect("a series");
    assert_eq!(series.len(), 180);
    let point = [
        "arrivals",
        "atSeconds",
        "desired",
        "draining",
        "inFlight",
        "panic",
        "ready",
        "starting",
        "waiting",
    ];
    assert_eq!(keys(&series[0]), point);
    let decision = &revision["decisions"][5];
    let inputs = [
        "atSeconds",
        "boundBy",
        "busy",
        "clamps",
        "fromPanic",
        "held",
        "idleSinceSeconds",
        "metrics",
        "mode",
        "ready",
        "reason",
        "replicas",
        "scheduled",
        "starting",
        "typicalStartSeconds",
        "wishes",
    ];
    assert_eq!(keys(decision), inputs);
    assert_eq!(decision["boundBy"], "max_replicas");
    assert_eq!(keys(&decision["clamps"][0]), ["by", "to", "untilSeconds"]);
    let reading = ["metric", "panic", "stable", "target"];
    assert_eq!(keys(&decision["metrics"][0]), reading);
}

#[test]
fn the_course_of_every_run_is_written_as_csv() {
    let place = Place::new();
    let (path, file) = place.file("all.csv");
    assert_eq!(sample(&[&SWEEP[..], &["--csv", &file]].concat()).code, 0);
    let text = text(&path);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "scaleTarget,stableWindow,revision,at_s,arrivals,in_flight,waiting,ready,starting,\
         draining,desired,panic"
    );
    assert_eq!(lines.len(), 1 + 6 * 180);
    assert_eq!(lines[1], "1,30s,flowers-sample,1,1,1,1,0,1,0,1,false");
    let arrivals = lines[1..=180].iter();
    let arrivals = arrivals.map(|line| line.split(',').nth(4).expect("a field"));
    assert_eq!(arrivals.filter(|field| *field == "1").count(), 60);
}

#[test]
fn one_picture_has_the_panels_of_all_runs() {
    let place = Place::new();
    let (path, file) = place.file("all.svg");
    assert_eq!(sample(&[&SWEEP[..], &["--plot", &file]].concat()).code, 0);
    let svg = text(&path);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "no number");
    let texts: Vec<&str> = svg
        .split("<text ")
        .skip(1)
        .filter_map(|rest| rest.split(">\n").nth(1)?.split("\n</text>").next())
        .collect();
    let count = |words: &str| texts.iter().filter(|text| text.contains(words)).count();
    for run in [
        "scaleTarget=1 stableWindow=30s",
        "scaleTarget=4 stableWindow=60s",
    ] {
        assert_eq!(count(run), 1, "{texts:?}");
    }
    assert_eq!(count("replica-hours"), 6, "each row says what came of it");
    let once = [
        "load, requests/s",
        "replicas",
        "requests waiting",
        "panic mode",
        EVEN,
    ];
    for words in once {
        assert!(count(words) > 0, "{words} is missing: {texts:?}");
    }
    // Three panels in each of six rows.
    assert_eq!(svg.matches("<polygon ").count(), 18, "areas");
    assert_eq!(
        count("2m"),
        3 * 2,
        "marks of time below the last row only: 2m and 2m30s"
    );
}

#[test]
fn panic_is_shaded_where_it_steers_and_nowhere_else() {
    let place = Place::new();
    let (path, file) = place.file("one.svg");
    let shades = |load: &str| {
        told(&["-f", SAMPLE, "--load", load, "--plot", &file], FILE);
        // One is the sample in the legend.
        text(&path).matches("fill=\"#CC79A7\"").count() - 1
    };
    let calm = "step 0..60s 0.1rps even; service 1s; start 1s";
    assert_eq!(shades(calm), 0);
    // One stretch without a gap, in each of three panels.
    assert_eq!(shades(EVEN), 3);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_a_load_like_any_other() {
    let place = Place::new();
    let (path, record) = place.file("gate.trace");
    let spec = revision(1, 0..=1);
    let name = spec.id.to_string();
    let (gate, recording) = Gate::recorded(spec, secs(4), &path, 1 << 20);
    for _ in 0..3 {
        assert_eq!(gate.ask(get("/?ms=500")).await.code(), 200);
    }
    recording.finish().await;
    let (config, settings) = place.file("models.yaml");
    let one = "containerConcurrency: 1, process: { command: [serve] }";
    let text = format!("revisions:\n- {{ name: {name}, {one} }}\n");
    std::fs::write(&config, text).expect("written");
    let lived = |further: &[&str]| {
        let words = ["-f", &settings, "--load", &record];
        let told = told(&[&words, further].concat(), FILE);
        let compared = match further {
            [] => "note: replayed 4 decisions: all as recorded\n",
            _ => "",
        };
        assert_eq!((told.code, told.err.as_str()), (0, compared));
        let table = rows(&told.out);
        table[0][..5].join(" ")
    };
    // The first of three waited for the start of four seconds.
    assert_eq!(lived(&[]), "3 0 4.0s 4.0s 1");
    // A quicker start, and one more who comes with the first and waits for its answer as well.
    let faster = ["--load", "start 1s; service 500ms; at 0 1 request"];
    assert_eq!(lived(&faster), "4 0 1.5s 1.5s 1");
    // A start that outlasts what was recorded: all three are answered nevertheless.
    assert_eq!(lived(&["--load", "start 20s"]), "3 16s 20s 20s 1");
    let told = told(&["-f", SAMPLE, "--load", &record], FILE);
    let want = format!("--load: wanted a record of revision flowers-sample, this one is of {name}");
    assert_eq!((told.code, told.err.trim_end()), (2, want.as_str()));
}
