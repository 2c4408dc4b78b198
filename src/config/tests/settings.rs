use std::time::Duration;

use super::super::Setting;
use super::*;

const TWO: &str = "\
maxProcesses: 4
defaults: { maxReplicas: 6 }
revisions:
- { name: a, models: [a], process: { command: [serve] } }
- { name: b.c, models: [b], scaleTarget: 5, process: { command: [serve] } }
";

#[track_caller]
fn read(text: &str) -> Vec<Setting> {
    Setting::read(text, &["a", "b.c"]).unwrap_or_else(|told| panic!("{text}: {told}"))
}

fn told(text: &str) -> String {
    let told = Setting::read(text, &["a", "b.c"]).expect_err(text);
    told.to_string()
}

#[test]
fn a_setting_is_one_key_and_each_of_its_values() {
    let check = |text: &str, key: &str, values: &[&str]| {
        let read = read(text);
        assert!(read.iter().all(|setting| setting.key() == key), "{read:?}");
        let got: Vec<_> = read.iter().map(Setting::value).collect();
        assert_eq!(got, values, "{text}");
    };
    check("scaleTarget=1,2, 4", "scaleTarget", &["1", "2", "4"]);
    check("autoscaling.stableWindow=30s", "stableWindow", &["30s"]);
    check("stableWindow=30s,60s", "stableWindow", &["30s", "60s"]);
    // Exact paths before ends: queue.timeout ends in timeout as well.
    check("timeout=30s", "timeout", &["30s"]);
    check("queue.timeout=30s", "queue.timeout", &["30s"]);
    check("b.c.queue.timeout=30s", "b.c.queue.timeout", &["30s"]);
    check("a.stableWindow=30s", "a.stableWindow", &["30s"]);
    check("maxProcesses=2", "maxProcesses", &["2"]);
}

#[test]
fn a_setting_is_checked_as_everything_that_is_written() {
    let check = |text: &str, want: &str| assert_eq!(told(text), format!("--set: {want}"), "{text}");
    check(
        "scaleTarget=0",
        "scaleTarget: wanted a number, 0.01 or more, not 0",
    );
    check(
        "a.stableWindow=30s,1s",
        "a.stableWindow: wanted a duration from 6s to 1h, not 1s",
    );
    check(
        "scaleTarget=",
        "scaleTarget: wanted a number, 0.01 or more, not nothing",
    );
    check(
        "scaleTarget",
        "scaleTarget: wanted key=value, such as scaleTarget=1 or scaleTarget=1,2,4",
    );
    check(
        "stabelWindow=30s",
        "stabelWindow: unknown key, the nearest known one is stableWindow",
    );
    check(
        "d.stableWindow=30s",
        "d.stableWindow: no revision is called d, wanted one of a, b.c",
    );
    check("colour=red", "colour: unknown key");
    check("hosts=a", "hosts: cannot be tried: it is not one value");
    check("name=a", "name: cannot be tried: it is not one value");
    check(
        "listen=127.0.0.1:1",
        "listen: cannot be tried: it changes nothing in a simulation",
    );
    check(
        "a.maxProcesses=1",
        "a.maxProcesses: belongs to all revisions together",
    );
}

#[test]
fn a_setting_wins_over_the_file_for_one_revision_or_all() {
    let written = Written::new(&[("a.yaml", TWO)]);
    let settings = ["scaleTarget=2", "b.c.stableWindow=30s", "maxProcesses=9"].map(read);
    let overrides = Overrides::default().with(&settings.concat());
    let config = written.load(&overrides).expect("sound");
    let scaling: Vec<_> = config.revisions.iter().map(|r| &r.spec.scaling).collect();
    assert_eq!(config.max_processes, 9);
    assert_eq!([scaling[0].target, scaling[1].target], [Some(2.0); 2]);
    let windows = [scaling[0].stable_window, scaling[1].stable_window];
    assert_eq!(windows, [60, 30].map(Duration::from_secs));
    // By name it is closer than for all.
    let settings = ["b.c.scaleTarget=3", "scaleTarget=2"].map(read);
    let overrides = Overrides::default().with(&settings.concat());
    let config = written.load(&overrides).expect("sound");
    let targets = config.revisions.iter().map(|r| r.spec.scaling.target);
    assert_eq!(targets.collect::<Vec<_>>(), [Some(2.0), Some(3.0)]);
}

#[test]
fn a_setting_keeps_the_rules_between_keys() {
    let written = Written::new(&[("a.yaml", TWO)]);
    let overrides = Overrides::default().with(&read("a.minReplicas=7"));
    assert_eq!(
        written.complaints(&overrides),
        ["--set: a.minReplicas: wanted at most maxReplicas (6), not 7"]
    );
}
