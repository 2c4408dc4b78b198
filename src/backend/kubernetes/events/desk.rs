//! Which notices are told: the same one again becomes a count, and who talks too much is not heard.
//! Plain data; how they are told is decided elsewhere.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use crate::backend::kubernetes::objects::ObjectRef;
use crate::backend::kubernetes::seams::{Gravity, Notice};

/// The same thing about the same object within so long after the last time is one Event.
const SAME_WITHIN: Duration = Duration::from_secs(10 * 60);

/// How often at most it is told how many times that was.
const COUNTED_EVERY: Duration = Duration::from_secs(60);

/// Most notices that wait to be told; they are many only while the API server is away.
const MOST_WAITING: usize = 1000;

/// Most notices that are remembered, to know them again.
const MOST_KNOWN: usize = 4000;

/// How much may be told about one object: so much at once, and then one in so long. What goes well
/// leaves some room for what does not.
const OF_ONE: Rate = Rate {
    burst: 25.0,
    each: Duration::from_secs(15),
};
const KEPT_FOR_WARNINGS: f64 = 5.0;

/// How much may be told about everything.
const OF_ALL: Rate = Rate {
    burst: 200.0,
    each: Duration::from_millis(200),
};

/// What was noted, what of it waits, and what was told.
#[derive(Debug)]
pub(super) struct Desk {
    known: HashMap<Notice, Known>,
    /// Those that wait, in their order.
    line: VecDeque<Notice>,
    of_one: HashMap<ObjectRef, Bucket>,
    of_all: Bucket,
    dropped: Dropped,
    /// Numbers the names of Events.
    made: u64,
}

/// One notice that was noted.
#[derive(Debug)]
struct Known {
    /// How often.
    count: u32,
    first: SystemTime,
    last: SystemTime,
    seen: Instant,
    /// The name of its Event.
    name: String,
    /// What was told; `None` before the first time.
    told: Option<(u32, Instant)>,
    waits: bool,
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Telling {
    pub(super) notice: Notice,
    /// The name of its Event.
    pub(super) name: String,
    /// The Event is there already.
    pub(super) again: bool,
    pub(super) count: u32,
    pub(super) first: SystemTime,
    pub(super) last: SystemTime,
    /// When it was noted last, by the clock that counts.
    pub(super) seen: Instant,
}

/// What was not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dropped {
    pub(super) notices: u64,
    /// One of them.
    pub(super) example: Option<Notice>,
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: f64,
    each: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    as_of: Instant,
}

impl Desk {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            known: HashMap::new(),
            line: VecDeque::new(),
            of_one: HashMap::new(),
            of_all: Bucket::full(OF_ALL, now),
            dropped: Dropped::default(),
            made: 0,
        }
    }

    /// Something is to be told.
    pub(super) fn note(&mut self, notice: Notice, now: Instant, wall: SystemTime) {
        if let Some(known) = self.known.get_mut(&notice) {
            if now.saturating_duration_since(known.seen) < SAME_WITHIN {
                known.count = known.count.saturating_add(1);
                (known.last, known.seen) = (wall, now);
                if known.is_due(now) {
                    known.waits = true;
                    self.line.push_back(notice);
                }
                return;
            }
            if !known.waits {
                self.known.remove(&notice);
            }
        }
        if !self.has_room(&notice, now) {
            self.drop(notice);
            return;
        }
        let known = Known {
            count: 1,
            first: wall,
            last: wall,
            seen: now,
            name: self.name(&notice, wall),
            told: None,
            waits: true,
        };
        self.known.insert(notice.clone(), known);
        self.line.push_back(notice);
    }

    fn has_room(&mut self, notice: &Notice, now: Instant) -> bool {
        let full = self.line.len() >= MOST_WAITING || self.known.len() >= MOST_KNOWN;
        if full || self.known.contains_key(notice) {
            return false;
        }
        let kept = match notice.reason.gravity() {
            Gravity::Normal => KEPT_FOR_WARNINGS,
            Gravity::Warning => 0.0,
        };
        let new = || Bucket::full(OF_ONE, now);
        let of_one = self.of_one.entry(notice.about.clone()).or_insert_with(new);
        of_one.has(OF_ONE, kept, now) && self.of_all.has(OF_ALL, 0.0, now) && {
            of_one.left -= 1.0;
            self.of_all.left -= 1.0;
            true
        }
    }

    /// No two Events of a namespace may have one name, nor one longer than names may be.
    fn name(&mut self, notice: &Notice, wall: SystemTime) -> String {
        self.made += 1;
        let since_1970 = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let object: String = notice.about.name.chars().take(200).collect();
        let object = object.trim_end_matches(['.', '-']);
        format!(
            "{object}.{:x}{:04x}",
            since_1970.as_nanos(),
            self.made & 0xffff
        )
    }

    pub(super) fn drop(&mut self, notice: Notice) {
        self.dropped.notices += 1;
        self.dropped.example = Some(notice);
    }

    /// The next one to be told. It stays the next until it is said what became of it.
    pub(super) fn next(&self) -> Option<Telling> {
        let notice = self.line.front()?;
        let known = self.known.get(notice).expect("what waits is known");
        Some(Telling {
            notice: notice.clone(),
            name: known.name.clone(),
            again: known.told.is_some(),
            count: known.count,
            first: known.first,
            last: known.last,
            seen: known.seen,
        })
    }

    /// It was told.
    pub(super) fn told(&mut self, telling: &Telling, now: Instant) {
        self.line.pop_front();
        if let Some(known) = self.known.get_mut(&telling.notice) {
            known.waits = false;
            known.told = Some((telling.count, now));
        }
    }

    /// Its Event has expired meanwhile: it becomes a new one, and is the next still.
    pub(super) fn renew(&mut self, telling: &Telling, wall: SystemTime) {
        let name = self.name(&telling.notice, wall);
        if let Some(known) = self.known.get_mut(&telling.notice) {
            (known.name, known.told) = (name, None);
        }
    }

    /// It cannot be told.
    pub(super) fn give_up(&mut self, telling: Telling) {
        self.line.pop_front();
        self.known.remove(&telling.notice);
        self.drop(telling.notice);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Lines up what was counted on, forgets what is long ago, and returns what was dropped since the
    /// last time.
    pub(super) fn sweep(&mut self, now: Instant) -> Dropped {
        for (notice, known) in &mut self.known {
            if known.is_due(now) {
                known.waits = true;
                self.line.push_back(notice.clone());
            }
        }
        let recent = |at: Instant| now.saturating_duration_since(at) < SAME_WITHIN;
        self.known
            .retain(|_, known| known.waits || known.is_behind() || recent(known.seen));
        let long = OF_ONE.each.mul_f64(OF_ONE.burst);
        self.of_one
            .retain(|_, bucket| now.saturating_duration_since(bucket.as_of) < long);
        std::mem::take(&mut self.dropped)
    }
}

impl Known {
    fn is_behind(&self) -> bool {
        self.told.is_some_and(|(count, _)| count < self.count)
    }

    fn is_due(&self, now: Instant) -> bool {
        let rested = |(_, at)| now.saturating_duration_since(at) >= COUNTED_EVERY;
        !self.waits && self.is_behind() && self.told.is_some_and(rested)
    }
}

impl Bucket {
    const fn full(rate: Rate, now: Instant) -> Self {
        Self {
            left: rate.burst,
            as_of: now,
        }
    }

    /// Whether there is one, and so much is left beside it.
    fn has(&mut self, rate: Rate, kept: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.as_of);
        let more = passed.as_secs_f64() / rate.each.as_secs_f64();
        self.left = (self.left + more).min(rate.burst);
        self.as_of = now;
        self.left >= 1.0 + kept
    }
}
