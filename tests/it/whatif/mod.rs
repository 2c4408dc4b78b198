//! `holdgate simulate` as a person types it: what it prints, what it writes, how it ends.

mod written;

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
fn a_sweep_prints_a_row_for_every_combination() {
    let told = sample(&SWEEP);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let head = told.out.lines().next().expect("a head");
    let head: Vec<&str> = head.split("  ").map(str::trim).collect();
    let head: Vec<&str> = head.into_iter().filter(|word| !word.is_empty()).collect();
    let columns = [
        "scaleTarget",
        "stableWindow",
        "requests",
        "wait p50",
        "p99",
        "max",
        "cold starts",
        "rejected",
        "left",
        "unfinished",
        "replica-hours",
        "peak replicas",
        "peak queue",
    ];
    assert_eq!(head, columns);
    // Sixty requests; those of the first ten seconds wait for the start of 10 s, one cold start
    // for all of them. Then three replicas, or two, have room enough.
    let rest = ["60", "0", "10s", "10s", "1", "0", "0", "0"];
    let hours = ["0.056", "0.081", "0.051", "0.075", "0.050", "0.059"];
    let peaks = ["3", "3", "3", "3", "3", "2"];
    let settings = ["1", "2", "4"].map(|target| ["30s", "60s"].map(|window| [target, window]));
    let want: Vec<Vec<&str>> = settings
        .into_iter()
        .flatten()
        .zip(hours.into_iter().zip(peaks))
        .map(|(setting, (hours, peak))| {
            [&setting[..], &rest[..], &[hours, peak, "10"][..]].concat()
        })
        .collect();
    assert_eq!(rows(&told.out), want);
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
fn settings_and_loads_that_are_wrong_are_told_all_at_once() {
    let load = "step 0..60s 5rps; sevice 1s";
    let words = ["-f", SAMPLE, "--load", load, "--set", "scaleTarget=1,x"];
    let further = ["--set", "hosts=a", "--plot", "picture.png"];
    let told = told(&[&words[..], &further[..]].concat(), FILE);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    let wanted = [
        "--set: scaleTarget: wanted a number, 0.01 or more, not x",
        "--set: hosts: cannot be tried: it is not one value",
        "--load: column 19: wanted step, ramp, every, at, service, start, patience, size, \
         arrivals, until or revision NAME:, not \"sevice\"",
        "--plot: wanted a file that ends in .svg, not picture.png",
    ];
    assert_eq!(told.err.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn combinations_that_cannot_be_are_wrong_usage() {
    let check = |set: &[&str], want: &str| {
        let told = sample(set);
        assert_eq!((told.code, told.err.trim_end()), (2, want));
    };
    check(
        &["--set", "scaleTarget=1", "--set", "scaleTarget=2"],
        "--set: scaleTarget: set twice, wanted all values at once, with commas between",
    );
    let many = (1..=257).map(|n| n.to_string()).collect::<Vec<_>>();
    check(
        &["--set", &format!("scaleTarget={}", many.join(","))],
        "--set: wanted at most 256 combinations, not 257",
    );
    check(
        &["--set", "minReplicas=2,4"],
        "--set: minReplicas: wanted at most maxReplicas (3), not 4",
    );
}

#[test]
fn what_cannot_be_written_is_a_failure() {
    let told = sample(&["--csv", "/nowhere/at/all.csv"]);
    assert_eq!(told.code, 1);
    assert_eq!(rows(&told.out).len(), 1, "the table is told all the same");
    let want = "could not write /nowhere/at/all.csv: ";
    assert!(told.err.starts_with(want), "{}", told.err);
}

#[test]
fn a_chart_is_drawn_for_a_terminal_or_on_demand() {
    let wide = |width, colours| Screen {
        width: Some(width),
        colours,
    };
    let words = ["-f", SAMPLE, "--load", EVEN];
    let none = told(&words, FILE).out;
    assert!(!none.contains("requests waiting"), "{none}");
    let on_demand = sample(&["--chart"]).out;
    let titles = ["load, requests/s", "replicas: ", "requests waiting"];
    for title in titles {
        assert!(
            on_demand.contains(title),
            "{title} is missing:\n{on_demand}"
        );
    }
    let narrow = told(&words, wide(72, false)).out;
    let longest = narrow.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(72), "{longest:?}:\n{narrow}");
    assert!(!narrow.contains('\x1b'), "colours where none are welcome");
    let coloured = told(&words, wide(72, true)).out;
    assert!(coloured.contains("\x1b[38;5;32m"), "no colours");
}

#[test]
fn the_chart_of_a_sweep_has_a_line_for_every_run() {
    let told = sample(&[&SWEEP[..], &["--chart"]].concat()).out;
    let lines = |start: &str| told.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("scaleTarget=1 stableWindow=30s "), 1, "{told}");
    assert_eq!(lines("scaleTarget="), 6);
    // Load and queue are the same for all of them here.
    assert_eq!(lines("all "), 2);
}

#[test]
fn in_eighty_columns_no_word_of_the_table_is_broken() {
    let narrow = Screen {
        width: Some(80),
        colours: false,
    };
    let words = [&["-f", SAMPLE, "--load", EVEN], &SWEEP[..]].concat();
    let told = told(&words, narrow).out;
    let (table, _) = told.split_once("\nload, ").expect("a chart below");
    for word in [
        "scale ",
        "Target ",
        "Window ",
        "requests ",
        "starts ",
        "replicas ",
    ] {
        assert!(table.contains(word), "{word}is missing:\n{table}");
    }
    assert!(
        table.ends_with("\nnone rejected, none left, none unfinished\n"),
        "{table}"
    );
    let longest = table.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{longest:?}:\n{table}");
}

#[test]
fn a_setting_of_nobody_names_those_there_are() {
    let told = sample(&["--set", "nobody.minReplicas=1"]);
    assert_eq!(
        (told.code, told.err.trim_end()),
        (
            2,
            "--set: nobody.minReplicas: no revision is called nobody, wanted one of flowers-sample"
        )
    );
}

#[test]
fn where_nobody_got_a_slot_no_wait_is_told() {
    let told = sample(&["--load", "start 10m; until 1m"]);
    let row = rows(&told.out)[0].clone();
    assert_eq!(row[1..4], ["–", "–", "–"], "{}", told.out);
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
fn a_table_with_a_calendar_says_itself_when_it_begins() {
    let place = Place::new();
    let (table, path) = place.file("arrivals.csv");
    std::fs::write(table, "arrival_s\n2026-01-31T08:00:00Z\n").expect("written");
    let load = ["--load", &path, "--load", "service 1s; start 1s"];
    let words = [
        &["-f", SAMPLE],
        &load[..],
        &["--begin", "2026-01-31T07:00:00Z"],
    ]
    .concat();
    let told = told(&words, FILE);
    assert_eq!(told.code, 2);
    assert_eq!(
        told.err,
        "--begin: the file of --load says itself when it begins\n"
    );
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
