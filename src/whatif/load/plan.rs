//! What is known of a load, revision by revision, and the requests that come of it.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::arrivals::{Merged, workers};
use super::csv::Row;
use super::description::{Description, Part, Phase};
use super::draw::Dice;
use super::{File, Source};
use crate::config::RevisionConfig;
use crate::schedule::Schedule;
use crate::simulate::{Arrival, Floor, Load, RevisionLoad, Start, Turns};
use crate::trace::Standing;

/// How long after the last request a simulation goes on unless somebody says so: to nothing again
/// at the usual windows, and to the end of the usual patience of the line.
const AFTERWARDS: Duration = Duration::from_secs(120);

/// What is drawn for a revision, each with a chance of its own.
#[derive(Clone, Copy)]
enum Drawn {
    Service,
    WorkerService,
    Start,
    Patience,
    /// The moments of its phases, from the first phase on.
    Phases,
}

/// What comes to these revisions.
pub(super) fn load(source: &Source, revisions: &[RevisionConfig], seed: u64) -> Load {
    let ids = revisions.iter().map(|revision| revision.spec.id.clone());
    let plans: Vec<_> = ids.map(|id| (Plan::new(source, id.as_str()), id)).collect();
    let last = plans.iter().filter_map(|(plan, _)| plan.end()).max();
    let last = last.unwrap_or_default();
    let mut load = source.recorded(revisions).unwrap_or_else(|| Load {
        length: last.saturating_add(AFTERWARDS),
        began: source.began(),
        revisions: Vec::new(),
    });
    if source.described != Description::default() {
        // What is described beside a record may take longer than all that was recorded.
        load.length = load.length.max(last.saturating_add(AFTERWARDS));
    }
    load.length = source.described.until.unwrap_or(load.length);
    let end = source.described.until.unwrap_or(last);
    let mut recorded = load.revisions;
    let (began, length) = (load.began, load.length);
    let schedules = revisions.iter().map(|revision| &revision.schedule);
    let revisions = (0..).zip(plans.into_iter().zip(schedules));
    let revisions = revisions.map(|(i, ((plan, id), schedule))| {
        let base = recorded.iter().position(|known| known.revision == id);
        let base = base.map(|at| recorded.swap_remove(at));
        let base = base.unwrap_or_else(|| RevisionLoad {
            floors: hours(schedule, began, length),
            ..RevisionLoad::nobody(id)
        });
        plan.add(base, end, move |drawn, n| {
            Dice::new(seed, [i, drawn as u64 + n])
        })
    });
    load.revisions = revisions.collect();
    load
}

/// The lower bounds that a schedule sets from then on for so long.
fn hours(schedule: &Schedule, began: SystemTime, length: Duration) -> Vec<Floor> {
    let floor_at = |at: SystemTime| Floor {
        from: at.duration_since(began).unwrap_or_default(),
        least: schedule.floor_at(at),
    };
    let next = |floor: &Floor| {
        let ahead = length.checked_sub(floor.from)?;
        let change = schedule.changes_within(began + floor.from, ahead)?;
        Some(floor_at(change))
    };
    std::iter::successors(Some(floor_at(began)), next).collect()
}

/// What is known about one revision besides a record.
pub(super) struct Plan {
    pub(super) part: Part,
    pub(super) rows: Option<Arc<[Row]>>,
    /// When its record ends.
    pub(super) recorded: Option<Duration>,
}

impl Plan {
    pub(super) fn new(source: &Source, name: &str) -> Self {
        let (mut rows, mut recorded) = (None, None);
        match &source.file {
            Some(File::Table(table)) => {
                let is_it = |of: &Option<String>| of.as_ref().is_none_or(|of| of == name);
                let found = table.revisions.iter().find(|(of, _)| is_it(of));
                rows = found.map(|(_, rows)| Arc::clone(rows));
            }
            Some(File::Record(trace)) => {
                let known = trace.revisions.iter().any(|of| of.name == name);
                recorded = known.then_some(trace.length);
            }
            None => {}
        }
        Self {
            part: source.described.about(name),
            rows,
            recorded,
        }
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.part.phases.is_empty() && self.rows.is_none() && self.recorded.is_none()
    }

    /// When the last request comes, as far as anything says so.
    pub(super) fn end(&self) -> Option<Duration> {
        let last_row = self.rows.as_ref().and_then(|rows| rows.last());
        let phases = self.part.phases.iter().filter_map(Phase::end);
        let rows = last_row.map(|row| row.at);
        phases.chain(rows).chain(self.recorded).max()
    }

    /// Adds what is described to what was recorded, and lets it win.
    fn add(
        self,
        base: RevisionLoad,
        end: Duration,
        dice: impl Fn(Drawn, u64) -> Dice,
    ) -> RevisionLoad {
        let mut load = RevisionLoad {
            workers: workers(&self.part.phases),
            ..base
        };
        if let Some(start) = self.part.start {
            let mut dice = dice(Drawn::Start, 0);
            load.starts = Box::new(move || Start::ReadyAfter(start.draw(&mut dice)));
        }
        if let Some(service) = self.part.service {
            let mut dice = dice(Drawn::WorkerService, 0);
            load.service = Box::new(move || service.draw(&mut dice));
        }
        if let Some(rows) = self.rows.clone() {
            load.arrivals = Box::new((0..rows.len()).map(move |i| rows[i].arrival()));
        }
        load.arrivals = Box::new(Requests::new(self.part, load.arrivals, end, dice));
        load
    }
}

impl Row {
    fn arrival(self) -> Arrival {
        Arrival {
            at: self.at,
            bytes: self.bytes,
            service: self.service.unwrap_or_default(),
            patience: None,
            stream: false,
            standing: Standing::default(),
            turns: Turns::default(),
        }
    }
}

/// The requests of one revision in order of time: those of a file and those of its phases.
struct Requests {
    part: Part,
    written: Peekable<Box<dyn Iterator<Item = Arrival> + Send>>,
    moments: Peekable<Merged>,
    service: Dice,
    patience: Dice,
}

impl Requests {
    fn new(
        part: Part,
        written: Box<dyn Iterator<Item = Arrival> + Send>,
        end: Duration,
        dice: impl Fn(Drawn, u64) -> Dice,
    ) -> Self {
        let spacing = part.spacing.unwrap_or_default();
        let each = |phase| dice(Drawn::Phases, phase);
        Self {
            moments: Merged::new(&part.phases, spacing, end, each).peekable(),
            part,
            written: written.peekable(),
            service: dice(Drawn::Service, 0),
            patience: dice(Drawn::Patience, 0),
        }
    }

    /// The next one of the file, if it comes before the next moment.
    fn next_written(&mut self) -> Option<Arrival> {
        let moment = self.moments.peek().copied();
        let earlier = |arrival: &Arrival| moment.is_none_or(|at| arrival.at <= at);
        self.written.next_if(earlier)
    }
}

impl Iterator for Requests {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let arrival = match self.next_written() {
            Some(arrival) => arrival,
            None => Row {
                at: self.moments.next()?,
                service: None,
                bytes: 0,
            }
            .arrival(),
        };
        let service = self.part.service;
        let service = service.map(|service| service.draw(&mut self.service));
        let patience = self.part.patience;
        let patience = patience.map(|patience| patience.draw(&mut self.patience));
        Some(Arrival {
            bytes: self.part.size.unwrap_or(arrival.bytes),
            service: service.unwrap_or(arrival.service),
            patience: patience.or(arrival.patience),
            ..arrival
        })
    }
}
