//! What is printed: the table, and charts.

use super::*;

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
fn where_nobody_got_a_slot_no_wait_is_told() {
    let told = sample(&["--load", "start 10m; until 1m"]);
    let row = rows(&told.out)[0].clone();
    assert_eq!(row[1..4], ["–", "–", "–"], "{}", told.out);
}
