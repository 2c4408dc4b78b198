//! Any bytes as a body: the model that is found is the one that `serde_json` finds, whatever pieces
//! it comes in, and what is refused is refused by both.
#![no_main]

use std::fmt;

use holdgate::model_scan::{Goal, ModelScan, Progress, Wrong};
use libfuzzer_sys::fuzz_target;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

fuzz_target!(|input: &[u8]| {
    let Some((&piece, body)) = input.split_first() else {
        return;
    };
    for goal in [Goal::First, Goal::Only] {
        let whole = scan(goal, body, body.len().max(1));
        for pieces in [1, usize::from(piece).max(1)] {
            assert_eq!(scan(goal, body, pieces), whole, "by {pieces}");
        }
    }
    compare(body);
});

/// What is found of a body in pieces of so many bytes.
fn scan(goal: Goal, body: &[u8], pieces: usize) -> Result<Option<String>, Wrong> {
    let mut scan = ModelScan::new(goal);
    for piece in body.chunks(pieces) {
        if scan.feed(piece)? == Progress::Enough {
            break;
        }
    }
    scan.finish()?;
    Ok(scan.model().map(str::to_owned))
}

fn compare(body: &[u8]) {
    let ours = scan(Goal::Only, body, body.len().max(1));
    let plain = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut parser = serde_json::Deserializer::from_slice(plain);
    let theirs = parser.deserialize_map(Members);
    let theirs = theirs.and_then(|members| parser.end().map(|()| members));
    match (ours, theirs) {
        // Stopped at, before the parser finds what is wrong behind it.
        (Err(Wrong::TooDeep | Wrong::SeveralModels | Wrong::NotAName), Err(_)) => {}
        (Err(Wrong::TooDeep), Ok(_)) => {}
        (Err(Wrong::SeveralModels), Ok(members)) => assert!(members.alike > 1),
        (Err(Wrong::NotAName), Ok(members)) => {
            let is_name = |name: &Option<String>| name.as_ref().is_some_and(|n| n.len() <= 1024);
            assert!(!members.models.iter().all(is_name), "{:?}", members.models);
        }
        (Ok(found), Ok(members)) => {
            assert!(members.alike <= 1);
            assert_eq!(found, members.models.into_iter().next().flatten());
        }
        // A key that is read as bytes may hold them there, though JSON has none.
        (Err(Wrong::NotJson(at)), Ok(_)) if is_control(body, at) => {}
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("{ours:?}, but {theirs:?}: {}", body.escape_ascii()),
    }
}

fn is_control(body: &[u8], at: u64) -> bool {
    usize::try_from(at).is_ok_and(|at| body[at].is_ascii_control())
}

/// What stands at the top of an object.
#[derive(Debug, Default)]
struct Found {
    /// Every `model`; `None` is no text.
    models: Vec<Option<String>>,
    /// Keys that are `model` whatever their case is.
    alike: usize,
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key_seed(Bytes)? {
            found.alike += usize::from(key.eq_ignore_ascii_case(b"model"));
            if key == b"model" {
                let raw: Box<serde_json::value::RawValue> = map.next_value()?;
                found.models.push(serde_json::from_str(raw.get()).ok());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A key, be it text or not.
struct Bytes;

impl<'de> DeserializeSeed<'de> for Bytes {
    type Value = Vec<u8>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Vec<u8>, E> {
        Ok(key.as_bytes().to_owned())
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Vec<u8>, E> {
        Ok(key.to_owned())
    }
}
