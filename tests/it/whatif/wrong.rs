//! What cannot be tried or written, and how that is told.

use super::*;

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
