//! The model that is found in a body is the one that a parser finds, whatever pieces it comes in.

use holdgate::model_scan::{Goal, ModelScan, Progress, Wrong};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// What is found of a body that is cut at these places.
fn scan(goal: Goal, body: &[u8], cuts: &[usize]) -> Result<Option<String>, Wrong> {
    let mut scan = ModelScan::new(goal);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    for ends in cuts.windows(2) {
        if scan.feed(&body[ends[0]..ends[1]])? == Progress::Enough {
            break;
        }
    }
    scan.finish()?;
    Ok(scan.model().map(str::to_owned))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("model".to_owned()),
        Just("stream".to_owned()),
        ".{0,8}"
    ]
}

proptest! {
    #[test]
    fn it_is_the_one_that_a_parser_finds(
        members in prop::collection::vec((key(), json()), 0..8),
        name in prop::option::of(".{0,20}"),
        pretty: bool,
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut object = Map::from_iter(members);
        object.remove("model");
        if let Some(name) = &name {
            object.insert("model".to_owned(), Value::from(name.as_str()));
        }
        object.retain(|key, _| key == "model" || !key.eq_ignore_ascii_case("model"));
        let body = if pretty {
            serde_json::to_vec_pretty(&object)
        } else {
            serde_json::to_vec(&object)
        };
        let body = body.expect("it can be written");
        for goal in [Goal::First, Goal::Only] {
            prop_assert_eq!(scan(goal, &body, &cuts), Ok(name.clone()));
        }
    }

    #[test]
    fn any_pieces_give_the_same_answer(
        text in "[\\[\\]{}:,\"\\\\a-u0-9 .eE+-]{0,40}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let body = format!("{{{text}}}");
        for goal in [Goal::First, Goal::Only] {
            let whole = scan(goal, body.as_bytes(), &[]);
            prop_assert_eq!(scan(goal, body.as_bytes(), &cuts), whole);
        }
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        let scanned = scan(Goal::Only, body.as_bytes(), &cuts);
        let beyond = matches!(scanned, Err(Wrong::NotAName | Wrong::SeveralModels | Wrong::TooDeep));
        prop_assert!(beyond || scanned.is_ok() == parsed, "{}", body);
    }
}
