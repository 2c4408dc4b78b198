//! Who hears what a request says and how it fares, to tell its client while it waits.

use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;

use crate::admission::Ticket;
use crate::autoscale::StartPhase;
use crate::model_scan::{Goal, ModelScan};

use super::super::Revision;
use super::Hearing;

/// What is known of one request from beside it.
#[derive(Debug)]
pub(in crate::proxy) struct Bystander {
    heard: Mutex<Heard>,
    hearing: Hearing,
}

#[derive(Debug)]
struct Heard {
    scan: ModelScan,
    /// What it says is no JSON.
    strange: bool,
    /// Its place in line, while it stands there.
    ticket: Option<Ticket>,
}

impl Bystander {
    /// Nothing was heard yet.
    pub(super) fn new(hearing: Hearing) -> Self {
        let heard = Mutex::new(Heard {
            scan: ModelScan::new(Goal::Only),
            strange: false,
            ticket: None,
        });
        Self { heard, hearing }
    }

    /// How often its client hears something while it waits, if it does: of a body that was not heard to
    /// its end (`is_whole`) it is taken to say what will be heard.
    pub(in crate::proxy) fn hears_every(&self, is_whole: bool) -> Option<Duration> {
        let Hearing { events, blanks, .. } = self.hearing;
        if self.streams() {
            events
        } else if is_whole {
            blanks
        } else {
            self.hearing.kinds().map(|(_, every)| every).next()
        }
    }

    /// What its body says decides whether its client hears anything.
    pub(in crate::proxy) fn listens(&self) -> bool {
        !self.hearing.streams && self.hearing.events != self.hearing.blanks
    }

    /// It says this next.
    pub(in crate::proxy) fn hears(&self, piece: &[u8]) {
        let mut heard = self.heard.lock();
        if !heard.strange {
            heard.strange = heard.scan.feed(piece).is_err();
        }
    }

    /// It stands in line with this ticket, or no longer.
    pub(in crate::proxy) fn stands(&self, ticket: Option<Ticket>) {
        self.heard.lock().ticket = ticket;
    }

    /// It has asked for a stream of events, as far as it was heard.
    pub(super) fn streams(&self) -> bool {
        self.hearing.streams || self.heard.lock().scan.streams()
    }

    /// How it fares, in words that never change: `phase=load position=3 estimate=12s`, of which only the
    /// first is always there.
    pub(super) fn tells(&self, revision: &Revision) -> String {
        let ticket = self.heard.lock().ticket;
        let throttler = &revision.throttler;
        let Some(position) = ticket.and_then(|ticket| throttler.position(ticket)) else {
            return "phase=answer".to_owned();
        };
        let outlook = throttler.outlook();
        let phase = match outlook.warm_since {
            Some(_) => "queue",
            None => outlook.phase.map_or("start", StartPhase::as_str),
        };
        let mut told = format!("phase={phase} position={position}");
        if let Some(estimate) = outlook.estimate {
            let _ = write!(told, " estimate={}s", seconds(estimate));
        }
        told
    }
}

/// Whole seconds, rounded up.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
