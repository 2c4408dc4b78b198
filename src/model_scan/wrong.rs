//! What keeps a body from naming a model, in words.

use std::fmt;

use super::DEEPEST;

/// Why a body names no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is no JSON from this byte on.
    NotJson(u64),
    /// It is JSON, but no object.
    NotAnObject,
    /// It ends before its end.
    CutShort,
    /// Its nesting is deeper than anybody means it.
    TooDeep,
    /// Its `model` is no text, or longer than a name.
    NotAName,
    /// It has several keys that servers take for `model`.
    SeveralModels,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(at) => write!(f, "is no JSON at byte {at}"),
            Self::NotAnObject => f.write_str("is no JSON object"),
            Self::CutShort => f.write_str("is JSON that is cut short"),
            Self::TooDeep => write!(f, "is nested deeper than {DEEPEST} levels"),
            Self::NotAName => f.write_str("has a \"model\" that is no name"),
            Self::SeveralModels => f.write_str("has several keys \"model\""),
        }
    }
}
