use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::{Overrides, load_text};
use crate::simulate::{Arrival, Floor, Start};

const ONE: &str = "revisions:\n- { name: m, process: { command: [serve] } }\n";
const TWO: &str = "\
revisions:
- { name: a, models: [a], process: { command: [serve] } }
- { name: b, models: [b], process: { command: [serve] } }
";

fn revisions(text: &str) -> Vec<RevisionConfig> {
    let config = load_text(Path::new("a.yaml"), text, &Overrides::default());
    config.expect("sound").revisions
}

/// A file in a directory of its own.
struct Written(TempDir, PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("load");
        fs::write(&file, text).expect("written");
        Self(dir, file)
    }

    fn path(&self) -> String {
        self.1.display().to_string()
    }

    /// Complaints, the directory left out.
    fn told(&self, further: &[&str], revisions: &[RevisionConfig]) -> String {
        let mut given = vec![self.path()];
        given.extend(further.iter().map(|text| (*text).to_owned()));
        let told = match Source::read(&given) {
            Ok(source) => source.check(revisions).map(|()| source),
            Err(told) => Err(told),
        };
        let told = told.expect_err("something is wrong").to_string();
        told.replace(&self.0.path().display().to_string(), ".")
    }
}

fn source(given: &[&str]) -> Source {
    let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
    Source::read(&given).unwrap_or_else(|told| panic!("{told}"))
}

fn told(given: &[&str], text: &str) -> String {
    let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
    let told = match Source::read(&given) {
        Ok(source) => source.check(&revisions(text)),
        Err(told) => Err(told),
    };
    told.expect_err("something is missing").to_string()
}

/// Moments in milliseconds, service times in milliseconds, and bytes.
fn arrivals(source: &Source, text: &str, revision: usize) -> Vec<(u128, u128, u64)> {
    let mut load = source.load(&revisions(text), 1);
    let arrivals = load.revisions.swap_remove(revision).arrivals;
    let short = |a: Arrival| (a.at.as_millis(), a.service.as_millis(), a.bytes);
    arrivals.map(short).collect()
}

#[test]
fn a_table_tells_who_comes_when_in_any_order() {
    let table = "bytes,arrival_s,service_s\n,2.5,0.2\n10,0,1\n0,1,0.1\n";
    let written = Written::new(table);
    let source = source(&[&written.path(), "start 5s"]);
    source.check(&revisions(ONE)).expect("enough is known");
    let want = [(0, 1000, 10), (1000, 100, 0), (2500, 200, 0)];
    assert_eq!(arrivals(&source, ONE, 0), want);
    // Two minutes are left for what is still there.
    let load = source.load(&revisions(ONE), 1);
    assert_eq!(load.length, Duration::from_millis(122_500));
    assert_eq!(load.began, UNIX_EPOCH);
}

#[test]
fn times_of_a_table_may_be_those_of_the_calendar() {
    let rfc = "arrival_s\n2026-01-31T08:00:01Z\n2026-01-31T08:00:00.5Z\n";
    let unix = "arrival_s\n1769846401\n1769846400.5\n";
    for table in [rfc, unix] {
        let written = Written::new(table);
        let source = source(&[&written.path(), "service 1s; start 5s"]);
        assert_eq!(arrivals(&source, ONE, 0), [(0, 1000, 0), (500, 1000, 0)]);
        let began = humantime::parse_rfc3339("2026-01-31T08:00:00.5Z").expect("a time");
        assert_eq!(source.load(&revisions(ONE), 1).began, began);
    }
}

#[test]
fn rows_go_to_the_revisions_they_name() {
    let written = Written::new("arrival_s,revision\n1,b\n2,a\n3,b\n");
    let source = source(&[&written.path(), "service 1s; start 5s; size 7"]);
    source.check(&revisions(TWO)).expect("enough is known");
    assert_eq!(arrivals(&source, TWO, 0), [(2000, 1000, 7)]);
    assert_eq!(
        arrivals(&source, TWO, 1),
        [(1000, 1000, 7), (3000, 1000, 7)]
    );
}

#[test]
fn a_wrong_table_is_told_row_by_row() {
    let one = revisions(ONE);
    let check = |table: &str, want: &str| {
        assert_eq!(
            Written::new(table).told(&["start 1s"], &one),
            want,
            "{table}"
        );
    };
    check(
        "arrival_s,service_s\n1,2\nsoon,2\n2,x\n",
        "./load:3:1: arrival_s: wanted seconds or a time such as 2026-01-31T08:00:00Z, not soon\n\
         ./load:4:3: service_s: wanted seconds, not x",
    );
    check(
        "arrival_s,colour\n1,red\n",
        "./load:1:11: colour: unknown column, the known ones are arrival_s, service_s, bytes, \
         revision",
    );
    check(
        "arrival_s,bytes\n1,-2\n",
        "./load:2:3: bytes: wanted a whole number of bytes, not -2",
    );
    check(
        "arrival_s,bytes\n1\n",
        "./load:2:1: wanted as many fields as the first line has",
    );
    check(
        "arrival_s,bytes\n,1\n",
        "./load:2:1: arrival_s: wanted seconds, not nothing",
    );
    check("arrival_s\n", "./load:2:1: wanted at least one arrival");
    check(
        "arrival_s\n2026-01-31T08:00:00Z\n5\n",
        "./load:3:1: arrival_s: wanted a time of one kind with the first: seconds, or the calendar's",
    );
    check(
        "arrival_s,revision\n1,\n",
        "./load:2:3: revision: wanted a name, not nothing",
    );
    check(
        "arrival_s,revision,service_s\n1,x,1\n",
        "./load: wanted the name of a revision (m), not x",
    );
    let written = Written::new("arrival_s,service_s\n1,1\n");
    assert_eq!(
        written.told(&["start 1s"], &revisions(TWO)),
        "./load: wanted a column revision, as there are several"
    );
    let many = "x\n".repeat(1000);
    let told = Written::new(&format!("arrival_s\n{many}")).told(&[], &one);
    assert_eq!(told.lines().count(), 10, "a table that is wrong everywhere");
}

#[test]
fn what_is_described_beside_a_file_is_added_and_wins() {
    let written = Written::new("arrival_s,service_s\n1,2\n5,2\n");
    let source = source(&[
        &written.path(),
        "service 1s; start 5s; at 3s 1 request; until 10s",
    ]);
    let want = [(1000, 1000, 0), (3000, 1000, 0), (5000, 1000, 0)];
    assert_eq!(arrivals(&source, ONE, 0), want);
    let mut load = source.load(&revisions(ONE), 1);
    assert_eq!(load.length, Duration::from_secs(10));
    let start = (load.revisions[0].starts)();
    assert_eq!(start, Start::ReadyAfter(Duration::from_secs(5)));
}

#[test]
fn a_description_may_stand_in_a_file() {
    let text = "at 1s 1 request;\nservice 1s;\nstart 2s\n";
    let written = Written::new(text);
    assert_eq!(
        arrivals(&source(&[&written.path()]), ONE, 0),
        [(1000, 1000, 0)]
    );
    assert_eq!(
        Written::new("at 1s 1 request;\nservice x").told(&[], &[]),
        "./load:2:9: wanted a duration such as 200ms, or lognormal, exponential or uniform, not \
         \"x\" (neither a record nor a table with arrival_s, so read as a description)"
    );
}

#[test]
fn each_revision_gets_what_is_said_about_all_or_about_it() {
    let text = "service 1s; start 5s; revision a: at 1s 1 request; revision b: at 2s 1 request; \
                service 3s";
    let source = source(&[text]);
    assert_eq!(arrivals(&source, TWO, 0), [(1000, 1000, 0)]);
    assert_eq!(arrivals(&source, TWO, 1), [(2000, 3000, 0)]);
}

#[test]
fn bursts_without_an_end_go_on_as_long_as_others() {
    let text = "step 0..20s 0rps, every 9s 1 request; service 1s; start 5s";
    let moments: Vec<_> = arrivals(&source(&[text]), ONE, 0);
    assert_eq!(
        moments.iter().map(|(at, ..)| *at).collect::<Vec<_>>(),
        [0, 9000, 18_000]
    );
}

#[test]
fn what_is_missing_is_asked_for() {
    let check = |given: &[&str], want: &str| assert_eq!(told(given, ONE), want, "{given:?}");
    check(
        &["step 0..1s 5rps"],
        "--load: wanted how long an answer takes in revision m, such as service 200ms\n\
         --load: wanted how long a start takes in revision m, such as start 45s",
    );
    check(
        &["service 1s; start 1s"],
        "--load: wanted somebody to come, such as step 0..60s 5rps",
    );
    check(
        &["every 5s 1 request; service 1s; start 1s"],
        "--load: wanted an end of the bursts, such as until 10m",
    );
    check(
        &["step 0..1s 5rps; service 1s; start 1s; revision n: start 2s"],
        "--load: wanted the name of a revision (m), not n",
    );
    check(
        &["nowhere.csv"],
        "--load: nowhere.csv: no such file, and no description",
    );
    let wanted = "wanted a rate such as 5rps, or a number of workers, a million at most";
    check(
        &["step 0..1s 5xps"],
        &format!("--load: column 12: {wanted}, not \"5xps\""),
    );
    check(
        &["service 1s;\nstep 0..1s x"],
        &format!("--load: line 2, column 12: {wanted}, not \"x\""),
    );
    check(
        &[],
        "--load: wanted a file or a description, such as --load 'step 0..60s 5rps, 60s..2m 50rps; \
         service 200ms; start 45s'",
    );
}

#[test]
fn one_seed_brings_the_same_load_and_another_does_not() {
    let text = "step 0..60s 5rps; service lognormal p50=1s p99=2s; start exponential mean=5s";
    let lived = |seed| {
        let mut load = source(&[text]).load(&revisions(ONE), seed);
        let mut one = load.revisions.remove(0);
        let arrivals: Vec<_> = one.arrivals.collect();
        (arrivals, [(one.starts)(), (one.starts)()], (one.service)())
    };
    assert_eq!(lived(1), lived(1));
    let (first, second) = (lived(1), lived(2));
    assert!(first.0 != second.0 && first.1 != second.1 && first.2 != second.2);
}

#[test]
fn hours_count_from_the_beginning_of_a_load_which_is_said() {
    let schedule = "schedule: [{ cron: \"0 8 * * *\", timeZone: UTC, for: 1h, minReplicas: 1 }]";
    let text = format!("revisions:\n- {{ name: m, {schedule}, process: {{ command: [s] }} }}\n");
    let source = source(&["at 1s 1 request; service 1s; start 1s"]);
    assert_eq!(source.notes(&revisions(ONE)), [] as [String; 0]);
    let begins = humantime::parse_rfc3339("2026-01-31T07:30:00Z").expect("a time");
    let source = source.beginning(begins);
    let [note] = <[_; 1]>::try_from(source.notes(&revisions(&text))).expect("one");
    assert!(
        note.starts_with("for the schedule it begins at 2026-01-31 "),
        "{note}"
    );
    let floors = |source: &Source| source.load(&revisions(&text), 1).revisions.remove(0).floors;
    let floor = |minutes: u64, least| Floor {
        from: Duration::from_secs(60 * minutes),
        least,
    };
    assert_eq!(floors(&source), [floor(0, None)], "it ends before eight");
    let longer = ["at 1s 1 request; service 1s; start 1s; until 25h30m"];
    let longer = self::source(&longer).beginning(begins);
    let hour = [floor(30, Some(1)), floor(90, None)];
    let next_day = [floor(24 * 60 + 30, Some(1)), floor(25 * 60 + 30, None)];
    let all = [&[floor(0, None)], &hour[..], &next_day[..]].concat();
    assert_eq!(floors(&longer), all);
}
