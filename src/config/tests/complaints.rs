//! What is complained about in one value or key, where and in which words.

use super::{complaints, revision};

/// One line in a revision (line 4 of the file), and what is said about it after `a.yaml:4:`.
#[track_caller]
fn check(line: &str, want: &str) {
    let want = format!("a.yaml:4:{want}");
    assert_eq!(complaints(&revision(line)), [want], "for {line}");
}

#[test]
fn a_bad_value_is_named_with_place_path_and_what_was_wanted() {
    let check = |line: &str, want: &str| {
        let (key, value) = line.split_once(": ").expect("a key and a value");
        let column = 5 + line.len() - value.len();
        check(
            line,
            &format!("{column}: revisions[0].{key}: wanted {want}, not {value}"),
        );
    };
    check("minReplicas: -1", "a whole number, 0 or more");
    check("minReplicas: many", "a whole number, 0 or more");
    check("minReplicas: 1.5", "a whole number, 0 or more");
    check("minReplicas: \"1\"", "a whole number, 0 or more");
    check("minReplicas: 2147483648", "a whole number, 0 or more");
    check("scaleTarget: 0", "a number, 0.01 or more");
    check("scaleTarget: .nan", "a number, 0.01 or more");
    check("scaleTarget: inf", "a number, 0.01 or more");
    check("scaleMetric: qps", "concurrency or rps or cpu or memory");
    check("timeout: -5s", "a duration such as 90s, 5m or 1h30m");
    check("timeout: soon", "a duration such as 90s, 5m or 1h30m");
    check(
        "timeout: 18446744073709551615s1000ms",
        "a duration such as 90s, 5m or 1h30m",
    );
    check("timeout: 2y", "a duration, 0s or more and at most a year");
    check(
        "connectTimeout: 0",
        "a duration, 1ms or more and at most a year",
    );
    check(
        "stopAfterIdle: 0",
        "a duration, 1s or more and at most a year",
    );
    check(
        "maxBodyBytes: 5 buckets",
        "a size such as 256MiB, 1G or 1048576",
    );
    check(
        "maxBodyBytes: 9223372036854775808",
        "a size such as 256MiB, 1G or 1048576",
    );
    check("maxBodyBytes: -1", "a size such as 256MiB, 1G or 1048576");
    check("overloadStatus: 500", "429 or 503");
    check("onDisconnect: drop", "auto or release or finish");
    check("failedStarts: 0", "a whole number, 1 or more");
    check("queue: 5", "a map");
}

#[test]
fn a_line_takes_at_least_one_or_nobody_could_wait_for_a_start_from_zero() {
    check(
        "queue: { maxRequests: 0 }",
        "27: revisions[0].queue.maxRequests: wanted a whole number, 1 or more, not 0",
    );
}

#[test]
fn a_value_of_another_kind_is_described() {
    check(
        "minReplicas: [1]",
        "18: revisions[0].minReplicas: wanted a whole number, 0 or more, not a list",
    );
    check(
        "hosts: { a: b }",
        "12: revisions[0].hosts: wanted a list of host names, not a map",
    );
    check(
        "overloadStatus:",
        "19: revisions[0].overloadStatus: wanted 429 or 503, not nothing",
    );
}

#[test]
fn numbers_of_the_autoscaler_keep_to_knatives_bounds() {
    let check = |line: &str, column: u8, want: &str| {
        let (key, value) = line.split_once(": ").expect("a key and a value");
        let want = format!("{column}: revisions[0].autoscaling.{key}: wanted {want}, not {value}");
        super::complaints::check(&format!("autoscaling: {{ {line} }}"), &want);
    };
    check(
        "targetUtilizationPercentage: 0.9",
        49,
        "a number from 1 to 100",
    );
    check(
        "targetUtilizationPercentage: 101",
        49,
        "a number from 1 to 100",
    );
    check("stableWindow: 5s", 34, "a duration from 6s to 1h");
    check("stableWindow: 1h1s", 34, "a duration from 6s to 1h");
    check("stableWindow: 6500ms", 34, "whole seconds");
    check("panicWindowPercentage: 0.5", 43, "a number from 1 to 100");
    check(
        "panicThresholdPercentage: 109",
        46,
        "a number from 110 to 1000",
    );
    check("maxScaleUpRate: 1", 36, "a number over 1");
    check("maxScaleDownRate: 1", 38, "a number over 1");
    check(
        "scaleToZeroGracePeriod: 0s",
        44,
        "a duration, 1ms or more and at most a year",
    );
    check(
        "scaleToZeroPodRetentionPeriod: 61m",
        51,
        "a duration from 0s to 1h",
    );
    check("scaleDownDelay: 2h", 36, "a duration from 0s to 1h");
    check("scaleDownDelay: 1500ms", 36, "whole seconds");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    check(
        "minReplica: 1",
        "5: revisions[0].minReplica: unknown key, the nearest known one is minReplicas",
    );
    check(
        "min-replicas: 1",
        "5: revisions[0].min-replicas: unknown key, the nearest known one is minReplicas",
    );
    check(
        "maxRequests: 1",
        "5: revisions[0].maxRequests: unknown key, the nearest known one is queue.maxRequests",
    );
    check(
        "queue: { maxRequest: 1 }",
        "14: revisions[0].queue.maxRequest: unknown key, the nearest known one is maxRequests",
    );
    check(
        "autoscalling: { stableWindow: 5s }",
        "5: revisions[0].autoscalling: unknown key, the nearest known one is autoscaling",
    );
    check("colour: red", "5: revisions[0].colour: unknown key");
    let top = complaints(&format!("lissten: 127.0.0.1:1\n{}", revision("")));
    assert_eq!(
        top,
        ["a.yaml:1:1: lissten: unknown key, the nearest known one is listen"]
    );
}

#[test]
fn names_hosts_and_commands_have_a_shape() {
    check(
        "hosts: a.example",
        "12: revisions[0].hosts: wanted a list of host names, not a.example",
    );
    check(
        "hosts: ['a:80']",
        "13: revisions[0].hosts[0]: wanted a host name without a port, not \"a:80\"",
    );
    check(
        "hosts: ['*.example']",
        "13: revisions[0].hosts[0]: wanted an exact host name (a lone revision takes every other host), not \"*.example\"",
    );
    check(
        "hosts: [http://a]",
        "13: revisions[0].hosts[0]: wanted a host name without scheme and path, not http://a",
    );
    check(
        "models: [a b]",
        "14: revisions[0].models[0]: wanted a model name without blanks, not a b",
    );
    let of = |process: &str| complaints(&format!("revisions:\n- name: a\n  process: {process}\n"));
    let list = r#"a list such as [my-server, --port, "{port}"]"#;
    assert_eq!(
        of("{ command: run me }"),
        [format!(
            "a.yaml:3:23: revisions[0].process.command: wanted {list}, not run me"
        )]
    );
    assert_eq!(
        of("{ command: [] }"),
        [format!(
            "a.yaml:3:23: revisions[0].process.command: wanted {list}, not a list"
        )]
    );
    assert_eq!(
        of("{ command: [a], env: [B=1] }"),
        ["a.yaml:3:33: revisions[0].process.env: wanted a map of names and values, not a list"]
    );
    assert_eq!(
        of("{ command: [a], env: { PORT: 1 } }"),
        [
            "a.yaml:3:41: revisions[0].process.env.PORT: wanted another name: PORT carries the port that was chosen"
        ]
    );
    assert_eq!(
        of("{ command: [a], readiness: { path: health } }"),
        [
            "a.yaml:3:47: revisions[0].process.readiness.path: wanted a path that begins with /, not health"
        ]
    );
    let name = complaints("revisions:\n- name: My Model\n  process: { command: [a] }\n");
    assert_eq!(
        name,
        [
            "a.yaml:2:9: revisions[0].name: wanted a name of at most 63 lower-case letters, digits, -, . and _ that begins and ends with a letter or digit, not My Model"
        ]
    );
}

#[test]
fn a_complaint_takes_one_line_whatever_it_quotes() {
    check(
        r#""a\nb\e[2J": 1"#,
        r"5: revisions[0].a\nb\u{1b}[2J: unknown key",
    );
    check(
        "minReplicas: a\n\n      b",
        r"18: revisions[0].minReplicas: wanted a whole number, 0 or more, not a\nb",
    );
}
