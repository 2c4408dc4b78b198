//! Compares what is led through the gate with what is to be, and writes the difference: first the slice,
//! then the selector; back the other way round. All waiting is elsewhere: `now` is an argument.

mod back;
mod lead;
mod take;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::deeds::Deed;
use super::facts::{DoorSight, Place};
use super::moment::{Moment, Versions};
use super::numbers::Numbers;
use super::{Gateways, Passages, words};
use crate::backend::kubernetes::objects::ObjectRef;
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::{Announcer, ApiError, Notice};

/// The API server tells by then, or something is wrong.
const DEAF: Duration = Duration::from_secs(30);
/// Most calls under way at once.
const MOST_AT_ONCE: usize = 8;

/// Something was written, or not.
#[derive(Debug)]
pub(super) struct Note {
    at: Place,
    about: ObjectRef,
    deed: Deed,
    result: Result<(), ApiError>,
}

pub(super) struct Keeper<N> {
    client: Client,
    announcer: N,
    tell: mpsc::UnboundedSender<Note>,
    sight: Arc<DoorSight>,
    gateways: Arc<Gateways>,
    passages: Option<Arc<Passages>>,
    steers: bool,
    numbers: Numbers,
    moments: BTreeMap<Place, Moment>,
    calling: usize,
    /// Namespaces that nobody tells of, and whether that was told.
    deaf: BTreeMap<Arc<str>, (Instant, bool)>,
    /// Revisions without any Service that were told so.
    told_none: BTreeSet<Arc<str>>,
    wake: Option<Instant>,
}

impl<N: Announcer> Keeper<N> {
    pub(super) fn new(
        client: Client,
        announcer: N,
        tell: mpsc::UnboundedSender<Note>,
        numbers: RangeInclusive<u16>,
    ) -> Self {
        Self {
            client,
            announcer,
            tell,
            sight: Arc::default(),
            gateways: Arc::default(),
            passages: None,
            steers: false,
            numbers: Numbers::new(numbers),
            moments: BTreeMap::new(),
            calling: 0,
            deaf: BTreeMap::new(),
            told_none: BTreeSet::new(),
            wake: None,
        }
    }

    pub(super) fn see(
        &mut self,
        sight: Arc<DoorSight>,
        gateways: Arc<Gateways>,
        passages: Option<Arc<Passages>>,
        steers: bool,
    ) {
        self.numbers.see(&sight);
        (self.sight, self.gateways, self.passages) = (sight, gateways, passages);
        self.steers = steers;
    }

    pub(super) const fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Brings what is nearer to what is wanted. Calling it again changes nothing.
    pub(super) fn reconcile(&mut self, now: Instant) {
        self.wake = None;
        let Some(passages) = self.passages.clone().filter(|_| self.steers) else {
            // Whoever steers writes; what was known says nothing of when we do again.
            self.moments.clear();
            self.close_exits();
            return;
        };
        let sight = Arc::clone(&self.sight);
        let mut led = BTreeSet::new();
        self.tell_deaf(&passages, now);
        let wished = passages.wished.values();
        for passage in wished.filter(|it| sight.hears(&it.owner.namespace)) {
            self.lead(passage, &passages, &sight, &mut led, now);
        }
        let known = sight.services.iter();
        let taken = known.filter(|(_, it)| it.kept.is_some() || it.is_taken());
        let all: BTreeSet<&Place> = taken.map(|(at, _)| at).chain(sight.slices.keys()).collect();
        let stays = |at: &Place| led.contains(at) || passages.unknown.contains(at);
        let rest = all.into_iter().filter(|at| !stays(at));
        for at in rest.filter(|at| sight.hears(&at.0)) {
            self.let_go(at, &sight, now);
        }
        let there = |at: &Place| sight.services.contains_key(at) || sight.slices.contains_key(at);
        self.moments.retain(|at, _| there(at));
        let wakes = self.moments.values().filter_map(|moment| moment.wake(now));
        self.wake = wakes.chain(self.wake).min();
    }

    /// Where nobody tells of changes nothing is changed, and the last pods stay: who was led to the
    /// gateways may be so no more. After a while a person is told.
    fn tell_deaf(&mut self, passages: &Passages, now: Instant) {
        let sight = Arc::clone(&self.sight);
        self.deaf.retain(|namespace, _| !sight.hears(namespace));
        let wished = passages.wished.values();
        let wished: Vec<_> = wished
            .filter(|it| !sight.hears(&it.owner.namespace))
            .collect();
        for passage in &wished {
            passage.exit.lead(false);
            let namespace = passage.owner.namespace.clone();
            let (since, told) = *self.deaf.entry(namespace).or_insert((now, false));
            if now < since + DEAF {
                self.look_again(since + DEAF);
            } else if !told {
                self.announce(&passage.owner, Reason::PathNotTaken, words::deaf());
            }
        }
        for (since, told) in self.deaf.values_mut() {
            *told = now >= *since + DEAF;
        }
    }

    /// Nobody is known to be led to the gateways: the last pods stay.
    fn close_exits(&self) {
        let passages = self.passages.iter().flat_map(|all| all.wished.values());
        passages.for_each(|passage| passage.exit.lead(false));
    }

    fn write(&mut self, at: &Place, about: &ObjectRef, deed: Deed, now: Instant) {
        if !self.may_write(at, now) {
            return;
        }
        let seen = self.versions(at);
        self.moments
            .entry(at.clone())
            .or_default()
            .writes(seen, now);
        self.calling += 1;
        let (client, tell) = (self.client.clone(), self.tell.clone());
        let (at, about) = (at.clone(), about.clone());
        tokio::spawn(async move {
            let result = deed.be_done(client).await;
            // Who is gone need not know.
            let _ = tell.send(Note {
                at,
                about,
                deed,
                result,
            });
        });
    }

    /// Whether something of a Service may be written now.
    fn may_write(&self, at: &Place, now: Instant) -> bool {
        let moment = self.moments.get(at);
        let free = |moment: &Moment| moment.may_write(&self.versions(at), now);
        self.calling < MOST_AT_ONCE && moment.is_none_or(free)
    }

    /// As of which versions a Service and its slice are seen.
    fn versions(&self, at: &Place) -> Versions {
        let service = self.sight.services.get(at);
        let slice = self.sight.slices.get(at);
        (
            service.map(|it| it.resource_version.clone()),
            slice.map(|it| it.resource_version.clone()),
        )
    }

    pub(super) fn hear(&mut self, note: &Note, now: Instant) {
        self.calling -= 1;
        let what = note.deed.what();
        let Some(moment) = self.moments.get_mut(&note.at) else {
            return;
        };
        match (moment.answered(&note.result, now), &note.result) {
            (_, Ok(())) => info!(what, "written for callers of a Service"),
            (Some(why), _) => {
                warn!(what, why, "could not be written");
                self.complain(&note.at, &note.about, words::failed(&what, &why));
            }
            (None, Err(_)) => {}
        }
    }

    /// Tells what keeps a Service, once while it stays so.
    fn complain(&mut self, at: &Place, about: &ObjectRef, why: String) {
        let moment = self.moments.entry(at.clone()).or_default();
        if moment.told.as_ref() != Some(&why) {
            moment.told = Some(why.clone());
            self.announce(about, Reason::PathNotTaken, why);
        }
    }

    fn announce(&self, about: &ObjectRef, reason: Reason, message: String) {
        self.announcer.announce(Notice {
            about: about.clone(),
            reason,
            message,
        });
    }

    fn look_again(&mut self, at: Instant) {
        self.wake = self.wake.into_iter().chain([at]).min();
    }
}
