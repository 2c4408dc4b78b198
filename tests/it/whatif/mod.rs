//! `holdgate simulate` as a person types it: what it prints, what it writes, how it ends.

mod printed;
mod written;
mod wrong;

use std::path::{Path, PathBuf};

use clap::Parser;
use holdgate::cli::{Cli, Command, Screen, simulate};
use holdgate::sync::now;
use tempfile::TempDir;

const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/proxy-config/flowers-sample.yaml"
);
/// Every number that follows from it can be worked out by hand.
const EVEN: &str = "step 0..60s 1rps even; service 500ms; start 10s";
const SWEEP: [&str; 4] = [
    "--set",
    "scaleTarget=1,2,4",
    "--set",
    "stableWindow=30s,60s",
];

const FILE: Screen = Screen {
    width: None,
    colours: false,
};

/// What a command printed, and the code it ended with.
struct Told {
    code: u8,
    out: String,
    err: String,
}

fn told(words: &[&str], screen: Screen) -> Told {
    let words = [&["holdgate", "simulate"], words].concat();
    let cli = Cli::try_parse_from(words).expect("a command line we know");
    let overrides = cli.overrides(|_| None);
    let Command::Simulate(args) = cli.command else {
        panic!("another command");
    };
    let files = args.files.paths(|_| None);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = simulate(&args, &files, &overrides, screen, now(), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Told {
        code: code.expect("told"),
        out: text(out),
        err: text(err),
    }
}

fn sample(words: &[&str]) -> Told {
    told(&[&["-f", SAMPLE, "--load", EVEN], words].concat(), FILE)
}

/// A place to write to.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn file(&self, name: &str) -> (PathBuf, String) {
        let path = self.0.path().join(name);
        let text = path.display().to_string();
        (path, text)
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("written")
}

/// The cells of every row below the line.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines().skip_while(|line| !line.starts_with('─'));
    rows.skip(1)
        .map(|row| row.split_whitespace().collect())
        .collect()
}

#[test]
fn one_seed_prints_and_writes_the_same_again() {
    let place = Place::new();
    let lived = |seed: &str| {
        let (path, file) = place.file("all.json");
        let load = "step 0..60s 5rps; service lognormal p50=200ms p99=2s; start uniform 5s..9s";
        let words = [
            "-f", SAMPLE, "--load", load, "--seed", seed, "--json", &file,
        ];
        let told = told(&[&words[..], &SWEEP[..]].concat(), FILE);
        (told.out, text(&path))
    };
    let (first, second) = (lived("7"), lived("7"));
    assert!(first == second, "another outcome of the same seed");
    assert!(first.0 != lived("8").0, "the same outcome of another seed");
}

#[test]
fn a_schedule_raises_the_floor_at_its_hours() {
    let place = Place::new();
    let (file, settings) = place.file("hours.yaml");
    let text = "revisions: [{ name: m, maxReplicas: 4, process: { command: [model] }, schedule: \
        [{ cron: '0 8 * * MON-FRI', timeZone: Europe/Berlin, for: 2h, minReplicas: 3 }] }]";
    std::fs::write(file, text).expect("written");
    let (json, all) = place.file("all.json");
    let load = "at 10m 1 request; service 1s; start 10s; until 4h";
    let words = ["-f", &settings, "--load", load, "--json", &all, "--begin"];
    let lived = |begin| {
        let told = told(&[&words[..], &[begin]].concat(), FILE);
        assert_eq!(told.code, 0, "{}", told.err);
        assert!(
            told.err
                .starts_with("note: for the schedule it begins at 2026-11-")
        );
        let document: serde_json::Value = serde_json::from_str(&self::text(&json)).expect("JSON");
        let revision = &document["runs"][0]["revisions"][0];
        let points = revision["series"].as_array().expect("points");
        let warm = points.iter().filter(|point| point["ready"] == 3);
        let warm: Vec<f64> = warm
            .filter_map(|point| point["atSeconds"].as_f64())
            .collect();
        warm.first().copied().zip(warm.last().copied())
    };
    // A Monday, an hour before eight.
    let (first, last) = lived("2026-11-23T07:00:00+01:00").expect("it is raised");
    assert!((3_610.0..3_620.0).contains(&first), "{first}");
    assert!((10_790.0..10_900.0).contains(&last), "{last}");
    assert_eq!(lived("2026-11-22T07:00:00+01:00"), None, "a Sunday");
}

#[test]
fn devices_that_are_not_written_are_enough_and_that_is_said() {
    let place = Place::new();
    let (file, settings) = place.file("gpus.yaml");
    let revisions = "revisions: [{ name: m, maxReplicas: 4, containerConcurrency: 1, \
        process: { command: [model], gpus: 2 } }]";
    let lived = |gpus: &str| {
        std::fs::write(&file, format!("{gpus}\n{revisions}")).expect("written");
        let load = "at 1s 4 requests; service 20s; start 1s";
        let told = told(&["-f", &settings, "--load", load], FILE);
        let peak = rows(&told.out)[0][9].to_owned();
        (told.err, peak)
    };
    let note = "note: gpus is not written: there are as many as could be wanted\n";
    assert_eq!(lived(""), (note.to_owned(), "4".to_owned()));
    assert_eq!(lived("gpus: [0, 1, 2]"), (String::new(), "1".to_owned()));
}
