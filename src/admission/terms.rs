//! On what terms a request waits: how important it is, on whose behalf it came, and until when its
//! answer is of use.

use std::time::{Duration, Instant};

/// How important a request is. Whoever is more important is served first; see `fair`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What keeps the rest going.
    System,
    /// Somebody sits and waits.
    Interactive,
    /// What says nothing of itself.
    #[default]
    Default,
    /// Whenever there is room.
    Bulk,
}

impl Class {
    /// Every class, the most important first.
    pub const ALL: [Self; 4] = [Self::System, Self::Interactive, Self::Default, Self::Bulk];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Interactive => "interactive",
            Self::Default => "default",
            Self::Bulk => "bulk",
        }
    }

    /// The class of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The class of a number, from 0 for the most important. What is none is the usual one.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        let class = Self::ALL.get(usize::from(number));
        class.copied().unwrap_or_default()
    }

    /// Its number, from 0 for the most important.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// On whose behalf a request came, as a number that says nothing of its name. Those that name
/// nobody are one tenant together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub u64);

impl Tenant {
    /// Those who name nobody.
    pub const NOBODY: Self = Self(0);
    /// Those for whom there is no share of their own.
    pub const OTHERS: Self = Self(u64::MAX);
    /// Those who had their turn and could not be served.
    pub(super) const BACK: Self = Self(u64::MAX - 1);

    /// A tenant by a number of a name; the numbers that mean something else are nobody's.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self(number.clamp(1, u64::MAX - 2))
    }
}

/// Until when an answer is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The whole of it has to be there.
    Whole(Instant),
    /// Its beginning has to be there.
    Begun(Instant),
}

impl Deadline {
    /// When a request leaves the line by itself: its client is certain not to wait any longer.
    #[must_use]
    pub const fn ends_wait(self) -> Option<Instant> {
        match self {
            Self::Whole(at) => Some(at),
            Self::Begun(_) => None,
        }
    }

    /// Whether a request that waits so long and then takes as long as most is late.
    pub(super) fn is_missed(self, wait: Duration, service: Option<Duration>, now: Instant) -> bool {
        match self {
            Self::Whole(at) => at < now + wait.saturating_add(service.unwrap_or_default()),
            Self::Begun(at) => at < now + wait,
        }
    }
}

/// On what terms a request waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How important it is.
    pub class: Class,
    /// On whose behalf it came.
    pub tenant: Tenant,
    /// Until when its answer is of use; `None` where it does not say.
    pub deadline: Option<Deadline>,
}
