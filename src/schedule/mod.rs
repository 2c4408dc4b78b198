//! Hours at which a revision has more than its least: entries of a cron expression, a time zone
//! and how long each match lasts. Decides which floor holds at a moment on the wall and when it
//! changes next; what a floor does is decided in [`autoscale`](crate::autoscale).

use std::fmt;
use std::time::{Duration, SystemTime};

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use thiserror::Error;
use tokio::sync::watch;

use crate::sync::wall;

/// How long a match lasts that says nothing of it: `* 8-17 * * *` is then all of these hours.
pub const A_MINUTE: Duration = Duration::from_secs(60);

/// How far is looked ahead: a clock that was set, or a machine that slept, is noticed then.
const AHEAD: Duration = A_MINUTE;

/// The entries of one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule(pub Vec<Entry>);

/// Raises the floor for some time from each match on.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    cron: Cron,
    zone: TimeZone,
    lasts: Duration,
    min_replicas: u32,
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoSchedule {
    /// The expression cannot be read.
    #[error("a cron expression of five fields such as 0 8 * * MON-FRI ({0})")]
    Unreadable(String),
    /// No day is like that.
    #[error("a cron expression that some day matches")]
    Never,
    /// Lone minutes, which are over before a replica is there.
    #[error(
        "how long each match lasts (for: 10h), or a range of minutes such as * 8-17 * * *: \
         without for, this is one minute at a time"
    )]
    LoneMinutes,
}

impl Entry {
    /// At least `min_replicas` for so long from each match on; `None` lasts a minute, and the
    /// matches have to follow each other.
    ///
    /// # Errors
    /// The expression cannot be read, never matches, or matches lone minutes.
    pub fn new(
        cron: &str,
        zone: TimeZone,
        lasts: Option<Duration>,
        min_replicas: u32,
    ) -> Result<Self, NoSchedule> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(cron)
            .map_err(|error| NoSchedule::Unreadable(error.to_string()))?;
        // Any moment would do: what never comes after it never comes.
        let first = first_match(&cron, &TimeZone::UTC, Timestamp::UNIX_EPOCH);
        let first = first.ok_or(NoSchedule::Never)?;
        if lasts.is_none() && !follow_each_other(&cron, first) {
            return Err(NoSchedule::LoneMinutes);
        }
        let lasts = lasts.unwrap_or(A_MINUTE);
        Ok(Self {
            cron,
            zone,
            lasts,
            min_replicas,
        })
    }

    /// The number it raises the floor to.
    #[must_use]
    pub const fn min_replicas(&self) -> u32 {
        self.min_replicas
    }

    /// The first match that still lasts at this moment.
    fn covers(&self, at: Timestamp) -> Option<Timestamp> {
        let since = at.checked_sub(self.lasts).ok()?;
        first_match(&self.cron, &self.zone, since).filter(|start| *start <= at)
    }

    /// When it next changes between covering and not, as far as that is before `until`.
    fn changes(&self, at: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let Some(mut last) = self.covers(at) else {
            return first_match(&self.cron, &self.zone, at).filter(|start| *start <= until);
        };
        loop {
            let end = last.checked_add(self.lasts).ok()?;
            if end > until {
                return None;
            }
            // The next may begin before this one has ended.
            match first_match(&self.cron, &self.zone, last) {
                Some(next) if next <= end => last = next,
                _ => return Some(end),
            }
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(
            f,
            "{} at {} ({zone}) for {}",
            self.min_replicas,
            self.cron,
            humantime::format_duration(self.lasts),
        )
    }
}

impl Schedule {
    /// Below how many replicas nothing goes at a moment; of several entries the largest number.
    /// `None` while none of them covers it.
    #[must_use]
    pub fn floor_at(&self, wall: SystemTime) -> Option<u32> {
        self.floor(Timestamp::try_from(wall).ok()?)
    }

    /// The first moment after this one at which the floor is another; `None` when there is none
    /// within so long.
    #[must_use]
    pub fn changes_within(&self, wall: SystemTime, ahead: Duration) -> Option<SystemTime> {
        let mut at = Timestamp::try_from(wall).ok()?;
        let (now, until) = (self.floor(at), at.checked_add(ahead).ok()?);
        loop {
            let next = |entry: &Entry| entry.changes(at, until);
            at = self.0.iter().filter_map(next).min()?;
            if self.floor(at) != now {
                return Some(at.into());
            }
        }
    }

    /// The largest number of any entry; 0 where there is none.
    #[must_use]
    pub fn busiest(&self) -> u32 {
        self.0.iter().map(Entry::min_replicas).max().unwrap_or(0)
    }

    fn floor(&self, at: Timestamp) -> Option<u32> {
        let covering = self.0.iter().filter(|entry| entry.covers(at).is_some());
        covering.map(Entry::min_replicas).max()
    }
}

/// Publishes the floor of a schedule that may be replaced, until nobody listens.
pub async fn publish(mut schedule: watch::Receiver<Schedule>, floor: watch::Sender<Option<u32>>) {
    loop {
        let now = wall();
        let (present, sleep) = {
            let schedule = schedule.borrow_and_update();
            let change = schedule.changes_within(now, AHEAD);
            let sleep = change.map(|at| at.duration_since(now).unwrap_or_default());
            let sleep = sleep.unwrap_or(AHEAD);
            let ever = !schedule.0.is_empty();
            (schedule.floor_at(now), ever.then_some(sleep))
        };
        floor.send_if_modified(|floor| std::mem::replace(floor, present) != present);
        let sleep = async {
            match sleep {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = floor.closed() => return,
            changed = schedule.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// The time zone of this machine, UTC if it does not say.
#[must_use]
pub fn system_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// The first match after a moment.
fn first_match(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let after: Zoned = after.to_zoned(zone.clone());
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(next.timestamp())
}

/// Some match is a minute after the one before it.
fn follow_each_other(cron: &Cron, first: Timestamp) -> bool {
    const ENOUGH: usize = 120;
    let mut last = first;
    (0..ENOUGH).any(|_| {
        let Some(next) = first_match(cron, &TimeZone::UTC, last) else {
            return false;
        };
        let gap = next.duration_since(last);
        last = next;
        gap.unsigned_abs() <= A_MINUTE
    })
}

#[cfg(test)]
mod tests;
