//! What is promised about schedules, learned holds and where things are kept.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{complaints, meaning, overrides, revision};
use crate::config::{Config, Overrides, load_text};
use crate::revision::Hold;
use crate::state::Place;

fn first(lines: &str) -> crate::config::RevisionConfig {
    meaning(&revision(lines)).revisions.remove(0)
}

/// The complaint about one entry.
#[track_caller]
fn check(entry: &str, want: &str) {
    let lines = format!("maxReplicas: 4\nschedule: [{entry}]");
    let want: Vec<_> = [want].into_iter().filter(|w| !w.is_empty()).collect();
    assert_eq!(complaints(&revision(&lines)), want, "{entry}");
}

#[test]
fn an_entry_of_a_schedule_is_named_with_what_was_wanted() {
    check(
        r#"{ cron: "0 8 * * MON-FRI", timeZone: Europe/Berlin, for: 10h, minReplicas: 2 }"#,
        "",
    );
    check(r#"{ cron: "* 8-17 * * *", minReplicas: 4 }"#, "");
    check(
        r#"{ cron: "0 8 * * *", minReplicas: 2 }"#,
        "a.yaml:5:24: revisions[0].schedule[0].cron: wanted how long each match lasts (for: 10h), or \
         a range of minutes such as * 8-17 * * *: without for, this is one minute at a time, not \
         \"0 8 * * *\"",
    );
    check(
        r#"{ cron: "0 8 * * *", for: 1h, minReplicas: 5 }"#,
        "a.yaml:5:59: revisions[0].schedule[0].minReplicas: wanted at most maxReplicas (4), not 5",
    );
    check(
        r#"{ cron: "0 8 * * *", for: 1h, minReplicas: 1, timezone: UTC }"#,
        "a.yaml:5:62: revisions[0].schedule[0].timezone: unknown key, the nearest known one is timeZone",
    );
    check(
        r#"{ cron: "0 8 * * *", for: 1h, minReplicas: 1, timeZone: Berlin }"#,
        "a.yaml:5:72: revisions[0].schedule[0].timeZone: wanted a time zone such as Europe/Berlin or \
         UTC, not Berlin",
    );
    check(
        r#"{ cron: "0 8 * * *", for: 30s, minReplicas: 1 }"#,
        "a.yaml:5:42: revisions[0].schedule[0].for: wanted a duration, 1m or more and at most a \
         year, not 30s",
    );
    check(
        "{ for: 1h, minReplicas: 1 }",
        "a.yaml:5:16: revisions[0].schedule[0].cron: is missing, wanted cron and minReplicas in every entry",
    );
    check(
        "nine to five",
        "a.yaml:5:16: revisions[0].schedule[0]: wanted an entry such as { cron: \"0 8 * * MON-FRI\", \
         for: 10h, minReplicas: 2 }, not nine to five",
    );
    check(
        r#"{ cron: "0 8 31 2 *", for: 1h, minReplicas: 1 }"#,
        "a.yaml:5:24: revisions[0].schedule[0].cron: wanted a cron expression that some day matches, \
         not \"0 8 31 2 *\"",
    );
}

#[test]
fn a_cap_that_is_not_written_gives_way_to_the_busiest_hour() {
    let day = r#"schedule: [{ cron: "* * * * *", minReplicas: 3 }]"#;
    let revision = first(day);
    assert_eq!(revision.spec.scaling.max_replicas, Some(3));
    assert_eq!(revision.schedule.floor_at(SystemTime::UNIX_EPOCH), Some(3));
    assert_eq!(first("").schedule.floor_at(SystemTime::UNIX_EPOCH), None);
}

#[test]
fn a_delay_and_a_retention_may_be_learned() {
    let learned = "autoscaling: { scaleDownDelay: auto, scaleToZeroPodRetentionPeriod: auto }";
    let scaling = first(learned).spec.scaling;
    let both = (
        scaling.scale_down_delay,
        scaling.scale_to_zero_pod_retention_period,
    );
    assert_eq!(both, (Hold::Auto, Hold::Auto));
    let fixed = first("autoscaling: { scaleDownDelay: 90s }").spec.scaling;
    assert_eq!(fixed.scale_down_delay, Hold::Fixed(Duration::from_secs(90)));
}

#[test]
fn what_is_learned_is_kept_where_it_is_written() {
    let kept = |file: &str, flags: &[&str], environment: &[&str]| -> Place {
        let text = format!("{file}\n{}", revision(""));
        let said: Overrides = overrides(flags, environment, &[]);
        let read: Config = load_text("a.yaml".as_ref(), &text, &said).expect("sound");
        read.state
    };
    let dir = |dir: &str| Place::Dir(PathBuf::from(dir));
    assert_eq!(kept("", &[], &[]), Place::Usual);
    assert_eq!(kept("state: off", &[], &[]), Place::Off);
    assert_eq!(kept("state: /a", &[], &[]), dir("/a"));
    assert_eq!(kept("state: /a", &[], &["HOLDGATE_STATE=/b"]), dir("/b"));
    assert_eq!(
        kept("state: /a", &["state=/c"], &["HOLDGATE_STATE=/b"]),
        dir("/c")
    );
}

#[test]
fn the_hours_shown_in_the_readme_are_sound() {
    let readme = include_str!("../../../README.md");
    let (_, shown) = readme
        .split_once("```yaml\n    schedule:")
        .expect("it is shown");
    let (entries, _) = shown.split_once("```").expect("it ends");
    let hours = format!("schedule:{}", entries.replace("\n    ", "\n"));
    assert_eq!(first(&hours).schedule.0.len(), 2);
}
