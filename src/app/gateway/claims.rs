//! The revisions of a gateway: what is claimed in the cluster, made what runs here. Level-triggered:
//! whatever was before, the claims as they are now decide.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;

use super::claimed::Claimed;
use super::doors::{Wanted, wanted};
use super::hosts;
use super::kept;
use super::parting::Parting;
use super::passages::passages;
use super::seams::{Around, Cluster};
use super::sharing::Sharing;
use super::telling::{Telling, Truths};
use crate::admin::Board;
use crate::autoscaler::Beat;
use crate::backend::kubernetes::{Claim, Claims, Entrance, Tenure};
use crate::config::{Complaints, ReadClaim};
use crate::proxy::Registry;
use crate::revision::RevisionId;
use crate::state::Notebook;
use crate::trace::Recorder;

/// What settings mean, by what else is known of a claim.
pub(super) type Read<'a> = &'a dyn Fn(&Claim) -> Result<ReadClaim, Complaints>;

/// Claims of whose settings none are known that could be understood.
pub(super) type Unread = BTreeMap<RevisionId, (Arc<Claim>, Complaints)>;

/// The revisions of a gateway.
pub(super) struct Gateway<C: Cluster> {
    cluster: Arc<C>,
    registry: Arc<Registry>,
    board: Arc<Board>,
    recorder: Recorder,
    /// Where what is remembered is noted; `None` where nothing is.
    notebook: Option<Notebook>,
    sharing: Sharing,
    beat: Beat,
    tenure: Tenure,
    /// It steers nothing ever again.
    ends: bool,
    claimed: BTreeMap<RevisionId, Claimed<C>>,
    unread: Unread,
    parting: Parting<C>,
    /// The routes that lead to this gateway.
    entrances: Arc<Vec<Entrance>>,
    telling: Telling,
    /// The doors of what runs.
    doors: watch::Sender<Wanted>,
}

impl<C: Cluster> Gateway<C> {
    /// Nothing is claimed yet, and nothing steered.
    pub(super) fn new(
        cluster: Arc<C>,
        (registry, board): (Arc<Registry>, Arc<Board>),
        recorder: Recorder,
        notebook: Option<Notebook>,
        sharing: Sharing,
    ) -> Self {
        Self {
            cluster,
            registry,
            board,
            recorder,
            notebook,
            sharing,
            beat: Beat::begin(),
            tenure: Tenure::default(),
            ends: false,
            claimed: BTreeMap::new(),
            unread: BTreeMap::new(),
            parting: Parting::nobody(),
            entrances: Arc::default(),
            telling: Telling::default(),
            doors: watch::Sender::default(),
        }
    }

    /// At most so many requests may wait over all revisions, and hold so many bytes.
    pub(super) fn bound_waiting(&self, (requests, bytes): (usize, u64)) {
        self.registry.crowd.set_limits(requests, bytes);
    }

    /// Where callers of the Services of what is claimed are to come in. A revision is there before its
    /// door is wanted.
    pub(super) fn doors(&self) -> watch::Receiver<Wanted> {
        self.doors.subscribe()
    }

    /// Makes what runs what is claimed. Settings that did not change since the last time are read
    /// again only where everything is to be (`anew`).
    pub(super) fn apply(&mut self, claims: &Claims, read: Read<'_>, anew: bool) {
        let gone = |id: &&RevisionId| !claims.contains_key(*id);
        let parted: Vec<_> = self.claimed.keys().filter(gone).cloned().collect();
        let parted = parted.iter().filter_map(|id| self.claimed.remove(id));
        let mut parted: Vec<_> = parted.collect();
        for (id, claim) in claims {
            parted.extend(self.take(id, claim, read, anew));
        }
        let unread: Vec<_> = self.unread.keys().filter(gone).cloned().collect();
        for id in unread {
            self.unread.remove(&id);
            self.forget(&id);
        }
        self.settle_hosts();
        // Led elsewhere first, ended after: no request finds nothing in between.
        let entries = self.claimed.values_mut().filter_map(Claimed::enter);
        let entries = entries.collect();
        let gone = parted.iter().map(|claimed| &claimed.spec().id);
        let gone: Vec<_> = gone
            .filter(|id| !self.claimed.contains_key(id))
            .cloned()
            .collect();
        self.registry.change(entries, &gone);
        self.doors.send_replace(wanted(claims));
        for claimed in parted {
            self.part(claimed);
        }
        self.parting.forget_the_empty();
        self.stand();
        let unread = self.unread.values().map(|(claim, _)| &**claim);
        self.cluster.lead(passages(&self.claimed, unread));
        if let Some(notebook) = &self.notebook {
            kept::keep(notebook, &self.claimed, |id| self.unread.contains_key(id));
        }
        self.tell();
    }

    /// These are the routes that lead to this gateway.
    pub(super) fn enter_by(&mut self, entrances: Arc<Vec<Entrance>>) {
        self.entrances = entrances;
        self.tell();
    }

    /// What this gateway may do has changed.
    pub(super) fn reign(&mut self, tenure: Tenure) {
        self.tenure = Tenure {
            steers: tenure.steers && !self.ends,
            ..tenure
        };
        self.stand();
        self.tell();
    }

    /// Steers nothing any longer, whatever it may: requests are served on.
    pub(super) fn let_go(&mut self) {
        self.ends = true;
        self.reign(self.tenure);
    }

    /// Lets go of what is claimed no more once the last request inside has ended.
    pub(super) async fn see_off(&mut self) -> Infallible {
        self.parting.see_off().await
    }

    /// Nobody is waited for any longer: who still waits is told so.
    pub(super) fn dismiss(&self) {
        for claimed in self.claimed.values() {
            claimed.dismiss();
        }
    }

    /// Returns what had its name before, if that was another.
    fn take(
        &mut self,
        id: &RevisionId,
        claim: &Arc<Claim>,
        read: Read<'_>,
        anew: bool,
    ) -> Option<Claimed<C>> {
        if let Some(claimed) = self.claimed.get_mut(id)
            && claimed.claim().owner.uid == claim.owner.uid
        {
            if anew || !claimed.is(claim) {
                claimed.change(Arc::clone(claim), read(claim));
            }
            return None;
        }
        let another = self.claimed.remove(id);
        let before = self.notebook.as_ref();
        let before = before.and_then(|notebook| kept::before(notebook, claim));
        if let Some((known, _)) = self.unread.get(id)
            && known == claim
            && before.is_none()
            && !anew
        {
            return another;
        }
        self.unread.remove(id);
        match self.open(claim, before, read) {
            Ok(claimed) => {
                self.claimed.insert(id.clone(), claimed);
            }
            Err(complaints) => {
                let unread = (Arc::clone(claim), complaints);
                self.unread.insert(id.clone(), unread);
            }
        }
        another
    }

    /// A revision as its claim says it or, where that cannot be read, as the claim said it `before`.
    fn open(
        &mut self,
        claim: &Arc<Claim>,
        before: Option<Claim>,
        read: Read<'_>,
    ) -> Result<Claimed<C>, Complaints> {
        let complaints = match read(claim) {
            Ok(read) => return Ok(self.welcome(claim, read)),
            Err(complaints) => complaints,
        };
        let good = before.and_then(|before| Some((read(&before).ok()?, before)));
        let Some((good, before)) = good else {
            return Err(complaints);
        };
        let mut claimed = self.welcome(&Arc::new(before), good);
        claimed.change(Arc::clone(claim), Err(complaints));
        Ok(claimed)
    }

    /// A revision that is new, or comes back while requests are still inside: their slots count.
    fn welcome(&mut self, claim: &Arc<Claim>, read: ReadClaim) -> Claimed<C> {
        if let Some(mut back) = self.parting.take_back(claim) {
            back.change(Arc::clone(claim), Ok(read));
            back.show(&self.board);
            return back;
        }
        let tape = self.recorder.tape(&read.spec.id);
        let crowd = Arc::clone(&self.registry.crowd);
        let inner = (self.beat, crowd, self.cluster.exit());
        Claimed::open(Arc::clone(claim), read, tape, inner, &self.board)
    }

    fn part(&mut self, claimed: Claimed<C>) {
        let id = claimed.spec().id.clone();
        tracing::info!(revision = %id, "it is not claimed any more");
        if !self.claimed.contains_key(&id) {
            self.forget(&id);
        }
        self.parting.part(claimed);
    }

    fn forget(&mut self, id: &RevisionId) {
        self.board.remove(id);
        self.telling.forget(id);
    }

    fn settle_hosts(&mut self) {
        let wishes = self.claimed.values().map(Claimed::wish).collect();
        let mut lost = hosts::settle(wishes);
        for (id, claimed) in &mut self.claimed {
            claimed.lose(lost.remove(id).unwrap_or_default());
        }
    }

    fn stand(&mut self) {
        let around = Around {
            cluster: &self.cluster,
            board: &self.board,
            notebook: self.notebook.as_ref(),
            sharing: &self.sharing,
            tenure: self.tenure,
        };
        for claimed in self.claimed.values_mut() {
            claimed.stand(&around);
        }
    }

    fn tell(&mut self) {
        let truths = Truths::of(&self.claimed, &self.unread, &self.entrances);
        self.board.set_left_alone(truths.left_alone);
        // Of several gateways one tells; the next one what stands, and what is new from then on.
        let notices = truths.notices.into_iter();
        for (id, notices) in notices.filter(|_| self.tenure.steers) {
            self.telling.tell(id, notices, &*self.cluster);
        }
    }
}
