//! Files and places that are not as a gate would leave them.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_was_written_before_phases_were_measured_is_still_read() {
    let home = Home::new();
    fs::create_dir(home.file("")).expect("made");
    let text = r#"{"kind":"holdgate-state","version":1,"revisions":{"flowers":{"savedAt":1,
        "typicalStartMs":4200,"asked":3,"peak":null,"initialized":true,"metrics":[],
        "presence":null}}}"#;
    fs::write(home.file(FILE), text.replace("\"savedAt\":1", &just_now())).expect("written");
    let keeper = home.open(HERE);
    let found = keeper.notebook().recall(&id(), wall());
    let found = found.expect("it is understood");
    assert_eq!(found.typical_start, Some(Duration::from_millis(4_200)));
    assert_eq!(found.typical_phases, TypicalPhases::default());
}

fn just_now() -> String {
    let since_1970 = wall().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since_1970.expect("after 1970").as_millis();
    format!("\"savedAt\":{millis}")
}

#[tokio::test]
async fn what_is_damaged_foreign_or_of_another_version_is_set_aside() {
    let sound = {
        let home = Home::new();
        let keeper = home.open(HERE);
        keeper
            .notebook()
            .note(&id(), &memory(3), None, TypicalPhases::default(), wall());
        keeper.close().await;
        fs::read_to_string(home.file(FILE)).expect("the file")
    };
    let cut = &sound[..sound.len() / 2];
    let newer = sound.replace("\"version\":1", "\"version\":2");
    let negative = sound.replace("1.5", "-1.5");
    let endless = sound.replacen("1.5", &vec!["1.5"; 4000].join(","), 1);
    let foreign = r#"{"some": "other program's"}"#;
    for text in ["", cut, &newer, &negative, &endless, foreign, "[1]"] {
        assert_ne!(text, sound);
        let home = Home::new();
        fs::create_dir(home.file("")).expect("made");
        fs::write(home.file(FILE), text).expect("written");
        let keeper = home.open(HERE);
        assert_eq!(keeper.notebook().recall(&id(), wall()), None, "{text}");
        let names = home.names();
        let aside = [&format!("{FILE}.bad-")];
        assert!(
            names.len() == 1 && names[0].starts_with(aside[0]),
            "{names:?}"
        );
        assert_eq!(
            fs::read_to_string(home.file(&names[0])).expect("kept"),
            text
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_written_ends_nothing() {
    let home = Home::new();
    fs::write(home.0.path().join("holdgate"), "a file stands in the way").expect("written");
    let keeper = home.open(HERE);
    keeper
        .notebook()
        .note(&id(), &memory(3), None, TypicalPhases::default(), wall());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let known = keeper.notebook().recall(&id(), wall());
    assert_eq!(known.expect("it is known").memory, memory(3));
    keeper.close().await;
}

#[test]
fn nothing_is_kept_where_nobody_would_find_it() {
    let file = |place: &Place, listen: &str| {
        let file = place.file(listen.parse().expect("an address"));
        file.map(|file| file.path().to_owned())
    };
    assert_eq!(file(&Place::Usual, "127.0.0.1:0"), None);
    assert_eq!(file(&Place::Off, HERE), None);
    let dir = Place::Dir("/a".into());
    assert_eq!(
        file(&dir, "127.0.0.1:0"),
        Some("/a/127.0.0.1-0.json".into())
    );
    let usual = file(&Place::Usual, HERE).expect("a home directory");
    assert!(
        usual.ends_with(Path::new("holdgate").join(FILE)),
        "{usual:?}"
    );
}
