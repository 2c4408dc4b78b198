//! Why a revision has the replicas it has and what would change it, in words: one sentence, and a
//! list of everything behind it. Made from plain data at one moment; who asks, and how the data
//! comes together, is left to the admin port.

mod ahead;
mod details;
mod sentence;
mod wall;
mod words;

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use crate::autoscale::{Ahead, Around, Bound, Clamp, Spec, TypicalPhases};
use crate::counting::count;
use crate::decisions::Entry;
use crate::guests::Visit;
use crate::ports::{ReplicaState, ReplicaView, Unmade};

pub use wall::Wall;

/// Everything known of a revision at one moment.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The moment.
    pub now: Instant,
    /// The settings in force.
    pub spec: Spec,
    /// What was decided last; `None` before the first decision.
    pub entry: Option<Entry>,
    /// The number decided on, and since when.
    pub desired: Option<(u32, Instant)>,
    /// What is there.
    pub around: Around,
    /// How many requests are here.
    pub here: usize,
    /// Of those, some that came first.
    pub visits: Vec<Visit>,
    /// What lies ahead; `None` when nobody could tell.
    pub ahead: Option<Ahead>,
    /// Why no replica can come, while none can.
    pub outage: Option<String>,
    /// Replicas that were asked for and cannot even be made.
    pub unmade: Option<Unmade>,
    /// What seems to be wrong with a start that takes long.
    pub diagnosis: Option<String>,
    /// Which metrics could not be read just now, and why.
    pub unread: Vec<(String, String)>,
    /// When the schedule next asks for another number; `None` when it does not soon.
    pub hours_until: Option<Instant>,
    /// What else a person should know of it, each a sentence.
    pub remarks: Vec<String>,
    /// Replicas that are not ready yet, oldest first.
    pub on_their_way: Vec<ReplicaView>,
    /// How long each phase of a start usually takes.
    pub typical_phases: TypicalPhases,
    /// When the first of those on their way is likely to take requests; `None` where nobody can tell.
    pub expected: Option<Instant>,
}

/// Why a revision has the replicas it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// In one sentence.
    pub sentence: String,
    /// Everything behind it.
    pub details: Vec<Detail>,
}

/// One line of what is behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What it is about: `remarks`, `measured`, `replicas`, `mode`, `decided`, `here`, `trouble` or
    /// `ahead`; `owner` where it is left alone.
    pub about: &'static str,
    /// What there is to say.
    pub text: String,
}

/// Explains a situation.
#[must_use]
pub fn explain(situation: &Situation, wall: &Wall) -> Explanation {
    let details = details::details(situation, wall);
    Explanation {
        sentence: sentence::sentence(situation, wall),
        details,
    }
}

impl Situation {
    /// The number there should be.
    fn wanted(&self) -> u32 {
        self.desired
            .map_or_else(|| self.present(), |(desired, _)| desired)
    }

    fn present(&self) -> u32 {
        self.around.ready.saturating_add(self.around.starting)
    }

    /// Replicas that have no machine yet.
    fn pending(&self) -> u32 {
        let pending = |view: &&ReplicaView| view.state == ReplicaState::Pending;
        count(self.on_their_way.iter().filter(pending).count())
    }

    /// Until when something holds, if nothing else happens.
    fn until(&self, clamp: &Clamp) -> Option<Instant> {
        let hours = self.hours_until.filter(|_| clamp.by == Bound::Schedule);
        clamp.until.or(hours)
    }

    fn is_at_zero(&self) -> bool {
        self.wanted() == 0 && self.present() == 0
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence)?;
        let mut last = "";
        for Detail { about, text } in &self.details {
            let label = if *about == last { "" } else { about };
            writeln!(f, "  {label:<10}{text}")?;
            last = about;
        }
        Ok(())
    }
}
