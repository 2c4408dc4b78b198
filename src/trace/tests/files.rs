//! Records as files: cut off, foreign, full, and more than can be written.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::time::sleep;

use super::super::file::Writer;
use super::super::tape::MOST_WAITING;
use super::super::{Event, Flaw, Recorder, RevisionTrace, Trace, Unreadable};
use super::one_of_each;
use crate::revision::RevisionId;
use crate::sync::now;

const MIB: u64 = 1 << 20;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t");
    (folder, file)
}

/// A record in which one of each happened to each of two revisions.
fn written(file: &PathBuf) -> Vec<u8> {
    let mut writer = Writer::begin(file, MIB, 1_700_000_000_000).unwrap();
    for (index, name) in ["a", "b"].into_iter().enumerate() {
        writer.name(name);
        writer.tell(index, one_of_each()).unwrap();
    }
    writer.flush().unwrap();
    fs::read(file).unwrap()
}

fn is_cut(flaw: &Flaw) -> bool {
    matches!(flaw, Flaw::CutOff { .. })
}

/// How many pieces of news it holds.
fn told(revision: &RevisionTrace) -> usize {
    let requests = revision.requests.iter();
    let ends = requests.filter(|r| r.over.is_some()).count();
    let steps = revision.replicas.iter().map(|replica| {
        let steps = [replica.ready, replica.listed, replica.retired, replica.gone];
        1 + steps.into_iter().flatten().count()
    });
    revision.requests.len() + ends + steps.sum::<usize>() + revision.ticks.len()
}

#[test]
fn two_gates_do_not_record_to_one_file() {
    let (_folder, file) = folder();
    let mut first = Writer::begin(&file, MIB, 1).unwrap();
    let refused = Writer::begin(&file, MIB, 2).unwrap_err().to_string();
    let taken = format!(
        "another gate records to {}; each needs a file of its own",
        file.display()
    );
    assert_eq!(refused, taken);
    first.name("a");
    first.flush().unwrap();
    drop(first);
    assert_eq!(Trace::read(&file).unwrap().revisions.len(), 1);
    assert!(Writer::begin(&file, MIB, 3).is_ok(), "the first has ended");
}

#[test]
fn a_file_cut_off_anywhere_is_read_up_to_its_last_whole_event() {
    let (_folder, file) = folder();
    let bytes = written(&file);
    let whole = Trace::read(&file).unwrap();
    assert_eq!(whole.revisions.len(), 2);
    assert!(!whole.flaws.iter().any(is_cut));
    let head = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let (mut before, mut clean) = (0, 0);
    for end in head..bytes.len() {
        fs::write(&file, &bytes[..end]).unwrap();
        let trace = Trace::read(&file).unwrap();
        let now: usize = trace.revisions.iter().map(told).sum();
        assert!(now >= before, "less is known at {end} than a byte before");
        before = now;
        let whole = &whole.revisions;
        for (part, all) in trace.revisions.iter().zip(whole) {
            let known = part.requests.iter().zip(&all.requests);
            assert!(
                known
                    .into_iter()
                    .all(|(part, all)| part.arrived == all.arrived)
            );
        }
        match trace.flaws.iter().find(|flaw| is_cut(flaw)) {
            Some(Flaw::CutOff { bytes }) => assert!(*bytes < 80, "{bytes} left out at {end}"),
            _ => clean += 1,
        }
    }
    assert!(before > 10, "{before}");
    // Between two entries nothing looks cut.
    assert!(clean < 6, "{clean} cuts were not noticed");
}

#[test]
fn damage_in_the_middle_is_said_and_never_a_panic() {
    let (_folder, file) = folder();
    let bytes = written(&file);
    for at in 0..bytes.len() {
        for damage in [0, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = damage;
            fs::write(&file, bytes).unwrap();
            let _ = Trace::read(&file);
        }
    }
}

#[test]
fn what_is_no_record_or_of_another_version_is_refused_in_words() {
    let (_folder, file) = folder();
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        let refused = Trace::read(&file).unwrap_err();
        (
            matches!(refused, Unreadable::Foreign(_)),
            refused.to_string(),
        )
    };
    let (foreign, words) = refused("seconds,requests\n0,1\n");
    assert!(
        foreign
            && words
                .ends_with("is no record of holdgate (it does not begin with \"holdgate-trace\")")
    );
    assert!(refused("").0);
    let (foreign, words) = refused("holdgate-trace 12\nwhatever");
    assert!(!foreign);
    assert!(
        words.ends_with("is a record of version 12, and this holdgate reads version 1"),
        "{words}"
    );
    fs::remove_file(&file).unwrap();
    assert!(matches!(Trace::read(&file), Err(Unreadable::Io(..))));
    assert!(Trace::is_one(b"holdgate-trace 9\n") && !Trace::is_one(b"seconds,requests"));
}

#[test]
fn nothing_but_a_record_is_written_over() {
    let (folder, file) = folder();
    let begin = || {
        Writer::begin(&file, MIB, 1)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    fs::write(&file, "my thesis").unwrap();
    assert!(
        begin()
            .unwrap_err()
            .ends_with("exists and is no record of holdgate; it is not overwritten")
    );
    assert_eq!(fs::read(&file).unwrap(), b"my thesis");
    fs::write(&file, "").unwrap();
    assert_eq!(begin(), Ok(()));
    let older = folder.path().join("t.1");
    fs::write(&older, "my thesis").unwrap();
    assert!(begin().is_err(), "it would be pushed over the older file");
    fs::remove_file(&older).unwrap();
    let first = fs::read(&file).unwrap();
    assert_eq!(begin(), Ok(()));
    assert_eq!(
        fs::read(&older).unwrap(),
        first,
        "the record before is kept"
    );
    fs::remove_file(&older).unwrap();
    let nowhere = folder.path().join("none").join("t");
    assert!(Writer::begin(&nowhere, MIB, 1).is_err());
}

#[test]
fn a_record_of_another_run_beside_it_is_not_read_with_it() {
    let (_folder, file) = folder();
    written(&file);
    let mut writer = Writer::begin(&file, MIB, 1_700_000_009_000).unwrap();
    writer.name("c");
    writer.flush().unwrap();
    let trace = Trace::read(&file).unwrap();
    assert_eq!(trace.flaws, []);
    assert_eq!(trace.revisions.len(), 1);
    assert_eq!(trace.began_unix_ms, 1_700_000_009_000);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_in_time_is_counted() {
    let (_folder, file) = folder();
    let (recorder, recording) = Recorder::begin(&file, 64 * MIB).unwrap();
    let tape = recorder.tape(&RevisionId::new("m"));
    // Nobody writes in between: the one thread is here.
    for ticket in 0..MOST_WAITING as u64 + 5 {
        let announced = 1;
        tape.note(now(), || Event::Queued { ticket, announced });
    }
    sleep(std::time::Duration::from_secs(2)).await;
    tape.note(now(), || Event::Changed);
    recording.finish().await;
    tape.note(now(), || Event::Changed);
    let late = recorder.tape(&RevisionId::new("late"));
    assert!(!late.is_on(), "it would be filled, and never emptied");

    let trace = Trace::read(&file).unwrap();
    let (revision, events) = ("m".to_owned(), 5);
    assert_eq!(trace.flaws, [Flaw::Lost { revision, events }]);
    let revision = &trace.revisions[0];
    assert_eq!((revision.lost, revision.requests.len()), (5, MOST_WAITING));
    assert_eq!(
        revision.changes.len(),
        1,
        "it went on, until it was finished"
    );
}

#[test]
fn a_record_that_was_taken_away_goes_on_in_a_new_file() {
    let (folder, file) = folder();
    let mut writer = Writer::begin(&file, MIB, 1).unwrap();
    writer.name("m");
    let (ticket, announced) = (1, 9);
    let came = (5, Event::Queued { ticket, announced });
    writer.tell(0, [came]).unwrap();
    writer.flush().unwrap();
    assert!(!writer.stay().unwrap());
    fs::remove_file(&file).unwrap();

    assert!(writer.stay().unwrap());

    writer.tell(0, [(7, Event::Changed)]).unwrap();
    writer.flush().unwrap();
    assert!(!writer.stay().unwrap());
    let trace = Trace::read(&file).unwrap();
    assert_eq!(trace.flaws, [Flaw::BeginningGone]);
    let revision = &trace.revisions[0];
    let told = (revision.requests.len(), revision.changes.len());
    assert_eq!(told, (1, 1), "who still waits is told of again");

    fs::rename(&file, folder.path().join("kept")).unwrap();
    fs::write(&file, "my thesis").unwrap();
    assert!(writer.stay().is_err());
    assert_eq!(fs::read(&file).unwrap(), b"my thesis");
}

#[tokio::test(start_paused = true)]
async fn the_recorder_looks_whether_its_file_is_still_there() {
    let (_folder, file) = folder();
    let (recorder, recording) = Recorder::begin(&file, MIB).unwrap();
    let tape = recorder.tape(&RevisionId::new("m"));
    tape.note(now(), || Event::Changed);
    sleep(std::time::Duration::from_secs(3)).await;
    fs::remove_file(&file).unwrap();
    tape.note(now(), || Event::Changed);
    recording.finish().await;
    assert_eq!(Trace::read(&file).unwrap().revisions[0].changes.len(), 1);
}

#[test]
fn a_tape_that_nobody_wants_makes_no_events() {
    let tape = super::super::Tape::default();
    tape.note(now(), || unreachable!("nobody wants to know"));
    assert!(!tape.is_on());
}
