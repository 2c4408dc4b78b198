//! The reference vectors, replayed. Every group in `tests/vectors/*.json` (another folder:
//! `HOLDGATE_VECTORS`) is run case by case, or stands in a table with the reason why not.

mod activation;
mod case;
mod decisions;
mod gate;
mod knative;
mod others;
mod queue_proxy;
mod slots;
mod stats;
mod targets;
mod windows;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What became of one case that did not fail.
enum Outcome {
    Passed,
    Skipped(&'static str),
    /// It was run, and we keep to something else on purpose: to what, and why.
    Otherwise(&'static str),
}

type Runner = fn(&Value) -> Outcome;

/// The groups we keep to.
const OURS: &[(&str, Runner)] = &[
    ("window_average", windows::average),
    ("window_resize", windows::average),
    ("weighted_window", windows::weighted),
    ("max_delay_window", windows::delay),
    ("rounding", windows::rounding),
    ("panic_window", windows::panic_window),
    ("kpa_scale_decision", decisions::scale_decision),
    ("kpa_initial_state", decisions::initial_state),
    ("kpa_time_series", decisions::time_series),
    ("initial_decider_status", decisions::initial_status),
    ("poke", decisions::poke),
    ("notify_on_change", decisions::notify_on_change),
    ("resolve_metric_target", targets::resolve),
    ("resolve_metric_target_grid_default_config", targets::grid),
    ("make_decider", targets::make_decider),
    ("scale_bounds", targets::scale_bounds),
    ("config_autoscaler", knative::config_autoscaler),
    ("annotation_validation", knative::annotation_validation),
    ("initial_scale", activation::initial_scale),
    ("apply_scale", activation::apply_scale),
    ("active_condition", activation::active_condition),
    ("request_stats", stats::request_stats),
    ("breaker", slots::breaker),
    ("breaker_constructor_invalid", slots::constructor_invalid),
    ("breaker_flap", slots::flap),
    ("infinite_breaker", slots::infinite_breaker),
    ("throttler_destinations", slots::destinations),
    ("lb_policy", slots::policy),
    ("queue_proxy_report", queue_proxy::report),
    ("double_count", queue_proxy::double_count),
    ("queue_probe", queue_proxy::probe),
    ("queue_proxy_http", queue_proxy::http),
    ("timeouts", queue_proxy::timeouts),
    ("timeouts_wire", queue_proxy::timeouts_on_the_wire),
    ("timeouts_e2e", queue_proxy::timeouts_end_to_end),
    ("forwarded_header", queue_proxy::forwarded),
];

/// What a run has shown: per group how many cases passed and were skipped, and what went wrong.
#[derive(Default)]
struct Report {
    table: String,
    failures: Vec<String>,
}

impl Report {
    fn group(&mut self, name: &str, cases: &Value) {
        let Some((_, runner)) = OURS.iter().find(|(ours, _)| *ours == name) else {
            return self.group_of_others(name);
        };
        let cases = cases.as_array().expect("a group is a list of cases");
        let mut passed = 0;
        let mut skipped = BTreeMap::<&str, usize>::new();
        let mut otherwise = BTreeMap::<&str, usize>::new();
        for (number, case) in cases.iter().enumerate() {
            let label = case["name"].as_str().unwrap_or("unnamed");
            match catch_unwind(|| runner(case)) {
                Ok(Outcome::Passed) => passed += 1,
                Ok(Outcome::Skipped(reason)) => *skipped.entry(reason).or_default() += 1,
                Ok(Outcome::Otherwise(reason)) => *otherwise.entry(reason).or_default() += 1,
                Err(panic) => {
                    let why = words(panic.as_ref());
                    let failure = format!("{name} #{number} ({label}): {why}");
                    self.failures.push(failure);
                }
            }
        }
        if passed == 0 {
            self.failures.push(format!("{name}: no case was run"));
        }
        let of = cases.len();
        writeln!(self.table, "{name}: {passed} of {of} passed").expect("a string takes it all");
        for (reason, count) in skipped {
            writeln!(self.table, "    {count} skipped: {reason}").expect("a string takes it all");
        }
        for (reason, count) in otherwise {
            writeln!(self.table, "    {count} otherwise: {reason}").expect("a string takes it all");
        }
    }

    fn group_of_others(&mut self, name: &str) {
        match others::NOT_OURS.iter().find(|(group, _)| *group == name) {
            Some((_, reason)) => {
                writeln!(self.table, "{name}: {reason}").expect("a string takes it all");
            }
            None => self
                .failures
                .push(format!("{name}: nobody knows this group")),
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "panicked".to_owned())
}

fn run(vectors: &Value) -> Report {
    let mut report = Report::default();
    let groups = vectors["groups"].as_object().expect("vectors have groups");
    for (name, cases) in groups {
        report.group(name, cases);
    }
    report
}

fn files() -> Vec<PathBuf> {
    let folder = std::env::var_os("HOLDGATE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    );
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect()
}

#[test]
fn every_vector_passes_or_has_a_reason_not_to_be_run() {
    let files = files();
    assert!(!files.is_empty(), "there are no vectors to run");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("vectors can be read");
        let vectors = serde_json::from_str(&text).expect("vectors are JSON");
        let report = run(&vectors);
        println!("{}\n{}", file.display(), report.table);
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
    }
}

#[test]
fn an_unknown_group_a_wrong_case_and_a_group_that_runs_nothing_all_fail() {
    let check = |groups: &str, want: &str| {
        let vectors = format!("{{\"groups\": {groups}}}");
        let report = run(&serde_json::from_str(&vectors).expect("it is JSON"));
        assert_eq!(report.failures.len(), 1);
        assert!(report.failures[0].contains(want), "{:?}", report.failures);
    };
    check(r#"{"weather": []}"#, "nobody knows this group");
    check(r#"{"rounding": []}"#, "no case was run");
    let wrong = r#"{"digits": 3, "value": 1.0, "expect": 2.0}"#;
    let right = r#"{"digits": 3, "value": 1.0, "expect": 1.0}"#;
    let groups = format!(r#"{{"rounding": [{right}, {wrong}]}}"#);
    check(&groups, "rounding #1");
}

#[test]
fn a_group_stands_in_one_table_only() {
    let ours = OURS.iter().map(|(name, _)| *name);
    let names = ours.chain(others::NOT_OURS.iter().map(|(name, _)| *name));
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "{name} stands in two places");
    }
}
