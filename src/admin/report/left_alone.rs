//! Revisions that are left alone, beside those that are not.

use serde::Serialize;

use super::Revision;
use crate::admin::find;

/// What there is under one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Listed {
    /// A revision.
    Here(Box<Revision>),
    /// One that is left alone.
    LeftAlone(LeftAlone),
}

impl From<Revision> for Listed {
    fn from(revision: Revision) -> Self {
        Self::Here(Box::new(revision))
    }
}

impl From<LeftAlone> for Listed {
    fn from(left: LeftAlone) -> Self {
        Self::LeftAlone(left)
    }
}

/// A revision that was found and is not scaled here. It has nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftAlone {
    /// What it would be called.
    pub name: String,
    /// What it is, as a person finds it.
    pub owner: String,
    /// Why it is left alone.
    pub left_alone: String,
}

/// One that is not scaled here.
pub(in super::super) fn left_alone(left: &find::LeftAlone) -> LeftAlone {
    LeftAlone {
        name: left.name.to_string(),
        owner: left.owner.clone(),
        left_alone: left.why.clone(),
    }
}
