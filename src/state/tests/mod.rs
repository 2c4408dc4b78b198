//! What is found again, and how often it is written.

mod strange;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::autoscale::{Past, TypicalPhases};
use crate::revision::{ScaleMetric, Scrape};
use crate::sync::now;

const ID: &str = "flowers";

fn id() -> RevisionId {
    RevisionId::new(ID)
}

fn memory(asked: u32) -> Memory {
    let scrape = Scrape {
        name: "waiting".to_owned(),
        path: "/metrics".to_owned(),
    };
    let past = |seconds: &[f64]| Past {
        seconds: seconds.to_vec(),
        idle: 1,
    };
    Memory {
        asked: Some(asked),
        peak: None,
        initialized: true,
        metrics: vec![
            (ScaleMetric::Concurrency, past(&[0.0, 1.5, 3.0])),
            (ScaleMetric::Scraped(scrape.into()), past(&[7.0])),
        ],
        presence: Some(past(&[0.1])),
    }
}

/// A directory, and gates that are started and ended in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn open(&self, listen: &str) -> Keeper {
        let place = Place::Dir(self.0.path().join("holdgate"));
        let listen = listen.parse().expect("an address");
        Keeper::open(&place, listen).expect("it keeps something")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("holdgate").join(name)
    }

    fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.file("")).expect("the directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut all: Vec<_> = all
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        all.sort();
        all
    }
}

const HERE: &str = "127.0.0.1:8080";
const FILE: &str = "127.0.0.1-8080.json";

/// Waits until the file says something else; the clock may turn meanwhile.
async fn written(file: &Path, before: &[u8]) -> Vec<u8> {
    loop {
        match fs::read(file) {
            Ok(text) if text != before => return text,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_life_finds_what_was_noted_and_how_long_ago() {
    let home = Home::new();
    let keeper = home.open(HERE);
    let typical = Duration::from_millis(4_200);
    let notebook = keeper.notebook().clone();
    assert_eq!(notebook.recall(&id(), wall()), None);
    let phases = TypicalPhases {
        pull: Some(Duration::from_millis(3_100)),
        load: Some(Duration::from_millis(1_050)),
        ..TypicalPhases::default()
    };
    let longest = Duration::from_millis(2_600);
    assert!(!notebook.note_service(&id(), longest), "nothing is known");
    notebook.note(&id(), &memory(2), Some(typical), phases, wall());
    assert!(notebook.note_service(&id(), longest));
    notebook.note(&id(), &memory(3), Some(typical), phases, wall());
    keeper.close().await;

    tokio::time::advance(Duration::from_secs(25)).await;
    let keeper = home.open(HERE);
    let found = keeper
        .notebook()
        .recall(&id(), wall())
        .expect("it is known");
    assert_eq!(
        (found.memory, found.typical_start, found.typical_phases),
        (memory(3), Some(typical), phases)
    );
    let found_longest = found.longest_service.expect("it was noted");
    assert!((longest..longest + Duration::from_millis(2)).contains(&found_longest));
    assert_eq!(found.away.as_secs(), 25);
    let mode = fs::metadata(home.file(FILE))
        .expect("the file")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(home.names(), [FILE], "nothing else is left");
}

#[tokio::test(start_paused = true)]
async fn what_the_world_has_learned_of_starts_is_noted_with_the_rest() {
    let home = Home::new();
    let keeper = home.open(HERE);
    let phases = TypicalPhases {
        init: Some(Duration::from_secs(7)),
        ..TypicalPhases::default()
    };
    let world = World {
        typical_start: Some(Duration::from_secs(9)),
        typical_phases: phases,
        ..World::default()
    };
    let found = followed(keeper.notebook(), world).await;
    assert_eq!(found.typical_start, Some(Duration::from_secs(9)));
    assert_eq!(found.typical_phases, phases);
    // A gate that has just begun has not been told of any start.
    let found = followed(keeper.notebook(), World::default()).await;
    assert_eq!(found.typical_start, Some(Duration::from_secs(9)));
    assert_eq!(found.typical_phases, phases);
}

/// What is known once a revision was noted in this world.
async fn followed(notebook: &Notebook, world: World) -> Recalled {
    let (tell, kept) = watch::channel(None);
    let world = watch::Sender::new(world);
    let follows = tokio::spawn(notebook.clone().follow(id(), kept, world.subscribe()));
    tell.send_replace(Some(memory(3)));
    drop(tell);
    follows.await.expect("no panic");
    notebook.recall(&id(), wall()).expect("it is noted")
}

#[tokio::test(start_paused = true)]
async fn two_gates_do_not_mix() {
    let home = Home::new();
    let (here, there) = (home.open(HERE), home.open("[::1]:8080"));
    here.notebook()
        .note(&id(), &memory(3), None, TypicalPhases::default(), wall());
    there
        .notebook()
        .note(&id(), &memory(5), None, TypicalPhases::default(), wall());
    here.close().await;
    there.close().await;
    assert_eq!(home.names(), [FILE, "__1-8080.json"]);
    let found = home.open(HERE).notebook().recall(&id(), wall());
    assert_eq!(found.expect("it is known").memory.asked, Some(3));
}

#[tokio::test(start_paused = true)]
async fn news_are_written_at_once_and_everything_else_rarely() {
    let home = Home::new();
    let keeper = home.open(HERE);
    let (notebook, begun) = (keeper.notebook().clone(), now());
    let gone = || now().saturating_duration_since(begun);
    let note =
        |memory: &Memory| notebook.note(&id(), memory, None, TypicalPhases::default(), wall());
    let file = home.file(FILE);
    note(&memory(1));
    let first = written(&file, &[]).await;
    note(&memory(2));
    let second = written(&file, &first).await;
    let mut panics = memory(2);
    panics.peak = Some(2);
    note(&panics);
    let third = written(&file, &second).await;
    assert!(gone() < Duration::from_secs(1), "{:?}", gone());
    panics.presence = None;
    note(&panics);
    written(&file, &third).await;
    assert!(gone() >= Duration::from_secs(9), "{:?}", gone());
}

#[tokio::test(start_paused = true)]
async fn a_revision_at_rest_is_not_written_again() {
    let home = Home::new();
    let keeper = home.open(HERE);
    let rest = Memory {
        asked: Some(0),
        ..Memory::default()
    };
    keeper
        .notebook()
        .note(&id(), &rest, None, TypicalPhases::default(), wall());
    let first = written(&home.file(FILE), &[]).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        keeper
            .notebook()
            .note(&id(), &rest, None, TypicalPhases::default(), wall());
    }
    assert_eq!(fs::read(home.file(FILE)).expect("the file"), first);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_any_more_is_forgotten_after_a_month() {
    let home = Home::new();
    let keeper = home.open(HERE);
    keeper
        .notebook()
        .note(&id(), &memory(3), None, TypicalPhases::default(), wall());
    keeper.close().await;
    for (days, known) in [(29, true), (2, false)] {
        tokio::time::advance(Duration::from_secs(days * 24 * 60 * 60)).await;
        let keeper = home.open(HERE);
        assert_eq!(keeper.notebook().recall(&id(), wall()).is_some(), known);
        keeper.close().await;
    }
}
