//! Bodies, and what is found of them.

use super::*;

/// What is found of a body in pieces of so many bytes.
fn scan(goal: Goal, body: &[u8], pieces: usize) -> Result<Option<String>, Wrong> {
    let mut scan = ModelScan::new(goal);
    for piece in body.chunks(pieces) {
        if scan.feed(piece)? == Progress::Enough {
            return Ok(scan.model);
        }
    }
    scan.finish()?;
    Ok(scan.model)
}

fn check(goal: Goal, body: impl AsRef<[u8]>, want: Result<Option<&str>, Wrong>) {
    let body = body.as_ref();
    for pieces in [1, 2, 3, 7, body.len().max(1)] {
        let found = scan(goal, body, pieces);
        let found = found.as_ref().map(Option::as_deref).map_err(|wrong| *wrong);
        assert_eq!(found, want, "{} by {pieces}", body.escape_ascii());
    }
}

#[test]
fn the_model_is_the_one_at_the_top() {
    for goal in [Goal::First, Goal::Only] {
        check(goal, r#"{"model":"a"}"#, Ok(Some("a")));
        check(
            goal,
            " {\r\n\t\"x\" : [{\"model\":\"no\"}, -1.5e+3, true], \"model\" : \"a\" } ",
            Ok(Some("a")),
        );
        check(
            goal,
            r#"{"messages":[{"role":"user","content":"\"model\":\"b\""}],"model":"a"}"#,
            Ok(Some("a")),
        );
        check(
            goal,
            r#"{"\u006dod\u0065l":"gr\u00fc\u00DFe \ud83d\ude00\/\n"}"#,
            Ok(Some("grüße 😀/\n")),
        );
        check(goal, "\u{feff}{\"model\":\"ä\"}", Ok(Some("ä")));
        check(goal, r#"{"x":{"model":"a"}}"#, Ok(None));
        check(goal, "{}", Ok(None));
        check(goal, r#"{"Model":"a"}"#, Ok(None));
    }
}

#[test]
fn what_is_no_object_with_a_name_is_said() {
    for goal in [Goal::First, Goal::Only] {
        check(goal, r#"["model"]"#, Err(Wrong::NotAnObject));
        check(goal, r#""model""#, Err(Wrong::NotAnObject));
        check(goal, "", Err(Wrong::CutShort));
        check(goal, r#"{"model":"a"#, Err(Wrong::CutShort));
        check(goal, r#"{"model":7}"#, Err(Wrong::NotAName));
        check(goal, r#"{"model":null}"#, Err(Wrong::NotAName));
        check(goal, r#"{"model":"\ud800"}"#, Err(Wrong::NotAName));
        check(goal, b"{\"model\":\"\xff\"}", Err(Wrong::NotAName));
        check(
            goal,
            format!("{{\"model\":\"{}\"}}", "m".repeat(2000)),
            Err(Wrong::NotAName),
        );
        check(goal, "model=a", Err(Wrong::NotJson(0)));
        check(goal, "\u{feff}\u{feff}{}", Err(Wrong::NotJson(3)));
        check(goal, r#"{"a":01}"#, Err(Wrong::NotJson(6)));
        check(goal, r#"{"a":[}]}"#, Err(Wrong::NotJson(6)));
        check(goal, r#"{"a":1,}"#, Err(Wrong::NotJson(7)));
        check(goal, "{\"a\":\"\n\"}", Err(Wrong::NotJson(6)));
        check(goal, r#"{"a":"\x"}"#, Err(Wrong::NotJson(7)));
        check(goal, r#"{"a" "b"}"#, Err(Wrong::NotJson(5)));
        check(goal, r#"{"a":tru}"#, Err(Wrong::NotJson(8)));
        let deep =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        check(goal, deep(126), Ok(None));
        check(goal, deep(127), Err(Wrong::TooDeep));
    }
}

#[test]
fn of_two_the_first_is_enough_or_none_is() {
    let again = [
        r#"{"model":"a","x":1,"model":"b"}"#,
        r#"{"model":"a","x":1,"m\u006fdel":"b"}"#,
        r#"{"model":"a","MODEL":"b"}"#,
        r#"{"model":"a","Model":7}"#,
    ];
    for body in again {
        check(Goal::First, body, Ok(Some("a")));
        check(Goal::Only, body, Err(Wrong::SeveralModels));
    }
    check(Goal::First, r#"{"model":"a"} and more"#, Ok(Some("a")));
    check(
        Goal::Only,
        r#"{"model":"a"} and more"#,
        Err(Wrong::NotJson(14)),
    );
    check(Goal::Only, r#"{"model":"a""#, Err(Wrong::CutShort));
}

#[test]
fn it_is_enough_as_soon_as_the_name_is_over() {
    let mut scan = ModelScan::new(Goal::First);
    assert_eq!(scan.feed(br#"{"model":"a"#), Ok(Progress::More));
    assert_eq!(scan.feed(br#"""#), Ok(Progress::Enough));
    let mut scan = ModelScan::new(Goal::Only);
    assert_eq!(scan.feed(br#"{"model":"a"}"#), Ok(Progress::More));
}

#[test]
fn whether_it_streams_is_found_beside() {
    let check = |body: &str, want| {
        let mut scan = ModelScan::new(Goal::Only);
        let _ = scan.feed(body.as_bytes());
        assert_eq!(scan.streams(), want, "{body}");
    };
    check(r#"{"model":"a","stream":true}"#, true);
    check(r#"{"stream" : true , "messages"#, true);
    check(r#"{"stream":false}"#, false);
    check(r#"{"stream":"true"}"#, false);
    check(r#"{"x":{"stream":true}}"#, false);
    check(r#"{"stream":true,"stream":false}"#, false);
}

#[test]
fn a_long_text_is_not_kept() {
    let mut scan = ModelScan::new(Goal::First);
    let _ = scan.feed(br#"{"image":""#);
    for _ in 0..1000 {
        let _ = scan.feed(&[b'A'; 1000]);
    }
    let _ = scan.feed(br#"",""#);
    for _ in 0..1000 {
        let _ = scan.feed(&[b'A'; 1000]);
    }
    assert!(scan.text.bytes().len() <= 2000);
}
