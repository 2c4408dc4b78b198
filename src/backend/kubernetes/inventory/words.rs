//! What was said of objects in Events: it becomes part of what is known of a pod or a workload, whichever
//! is heard of first, until it is over or too long ago. Of several the last said holds, but that a node
//! comes holds until who said so takes it back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Inventory;
use super::facts::{Matter, Said};
use super::space::Entry;
use crate::backend::kubernetes::objects::{NodeWord, Obstruction, PodView, Stage, Workload};

/// So many objects that nobody has heard of are remembered for what was said of them: they may be heard
/// of yet, and most are gone.
const STRANGERS: usize = 1000;

/// How long what was said holds, if it is not said again.
const fn lasts(matter: Matter) -> Duration {
    let minutes = match matter {
        // So long Cluster Autoscaler waits for a node before it tries elsewhere.
        Matter::NodeComes => 15,
        Matter::NoNodeComes => 60,
        // Kubelet tries every two minutes, and tells every five of what it has often told.
        Matter::Volume => 10,
        // The longest pause of the controllers is 17 minutes.
        Matter::Making => 20,
    };
    Duration::from_secs(minutes * 60)
}

impl Said {
    /// Whether it holds in the place of what was known. Who brings no node knows nothing of those that
    /// another brings.
    fn replaces(&self, known: &Self) -> bool {
        match (self.matter, known.matter) {
            (Matter::NodeComes, Matter::NoNodeComes) if self.by != known.by => true,
            (Matter::NoNodeComes, Matter::NodeComes) if self.by != known.by => false,
            _ => (self.at, self.version) > (known.at, known.version),
        }
    }

    /// Also where the clock of who said it is that far ahead.
    fn is_over(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.at).unwrap_or_else(|e| e.duration());
        age >= lasts(self.matter)
    }
}

/// What was said last of one object.
#[derive(Default)]
struct Sayings {
    node: Option<Said>,
    volume: Option<Said>,
    making: Option<Said>,
}

impl Sayings {
    fn place(&mut self, matter: Matter) -> &mut Option<Said> {
        match matter {
            Matter::NodeComes | Matter::NoNodeComes => &mut self.node,
            Matter::Volume => &mut self.volume,
            Matter::Making => &mut self.making,
        }
    }

    fn is_empty(&self) -> bool {
        self.node.is_none() && self.volume.is_none() && self.making.is_none()
    }

    fn last(&self) -> Option<SystemTime> {
        let all = [&self.node, &self.volume, &self.making];
        all.into_iter().flatten().map(|said| said.at).max()
    }

    /// Whether something was over.
    fn forget_old(&mut self, now: SystemTime) -> bool {
        let all = [&mut self.node, &mut self.volume, &mut self.making];
        let old = all
            .into_iter()
            .filter_map(|place| place.take_if(|said| said.is_over(now)));
        old.count() > 0
    }
}

/// What was said, by the UID of what it is about.
#[derive(Default)]
pub(super) struct Words {
    /// Of what is there.
    known: HashMap<Arc<str>, Sayings>,
    /// Of what was not heard of, or not yet.
    strangers: HashMap<Arc<str>, Sayings>,
}

impl Words {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.strangers.is_empty()
    }

    /// Of how many it is remembered who were not heard of.
    #[cfg(test)]
    pub(super) fn strangers(&self) -> usize {
        self.strangers.len()
    }

    /// Remembers it, unless something else holds; whether it did. `is_there`: what it is about is.
    fn hear(&mut self, said: Said, is_there: bool) -> bool {
        let all = if is_there {
            &mut self.known
        } else {
            &mut self.strangers
        };
        let place = all.entry(said.about.clone()).or_default();
        let place = place.place(said.matter);
        if place.as_ref().is_some_and(|it| !said.replaces(it)) {
            return false;
        }
        *place = Some(said);
        if self.strangers.len() > STRANGERS {
            self.forget_strangers();
        }
        true
    }

    /// The half of them of which nothing was said for longest.
    fn forget_strangers(&mut self) {
        let mut last: Vec<_> = self.strangers.values().map(Sayings::last).collect();
        let (_, &mut middle, _) = last.select_nth_unstable(STRANGERS / 2);
        self.strangers.retain(|_, sayings| sayings.last() > middle);
    }

    /// Somebody of whom something may have been said is there.
    pub(super) fn meet(&mut self, uid: &Arc<str>) {
        if let Some(sayings) = self.strangers.remove(uid) {
            self.known.insert(uid.clone(), sayings);
        }
    }

    /// It is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.known.remove(uid);
    }

    /// A pod with what holds of what was said of it. What does not matter to it any more is forgotten.
    pub(super) fn join(&mut self, mut pod: Arc<PodView>) -> Arc<PodView> {
        self.meet(&pod.uid);
        let (mut node, mut volume) = (None, None);
        if let Some(sayings) = self.known.get_mut(&pod.uid) {
            sayings.node.take_if(|_| !awaits_node(&pod));
            sayings.volume.take_if(|_| !awaits_volume(&pod));
            node = sayings.node.as_ref().map(node_word);
            volume = sayings.volume.as_ref().map(|said| said.words.clone());
            if sayings.is_empty() {
                self.known.remove(&pod.uid);
            }
        }
        if pod.node_word != node || pod.volume_word != volume {
            let pod = Arc::make_mut(&mut pod);
            (pod.node_word, pod.volume_word) = (node, volume);
        }
        pod
    }

    /// A workload with why no pods can be made for it, where its controller writes no condition. That is
    /// over once as many are there as are asked for, or one was made since.
    pub(super) fn refused(&self, entry: &Entry) -> Arc<Workload> {
        let workload = &entry.workload;
        let refused = || -> Option<Obstruction> {
            let said = self.known.get(&workload.at.uid)?.making.as_ref()?;
            let alive = entry.pods.values().filter(|pod| !pod.terminating);
            let made_since = entry.pods.values().any(|pod| pod.created >= said.at);
            let lacks = alive.count() < workload.replicas as usize;
            (lacks && !made_since).then(|| said.words.clone())
        };
        if workload.refused.is_some() {
            return workload.clone();
        }
        match refused() {
            None => workload.clone(),
            refused => Arc::new(Workload {
                refused,
                ..(**workload).clone()
            }),
        }
    }

    /// Forgets what is over; of whom who is there.
    fn forget_old(&mut self, now: SystemTime) -> Vec<Arc<str>> {
        self.strangers.retain(|_, sayings| {
            sayings.forget_old(now);
            !sayings.is_empty()
        });
        let known = self.known.iter_mut();
        let old = known.filter_map(|(uid, sayings)| sayings.forget_old(now).then(|| uid.clone()));
        let old = old.collect();
        self.known.retain(|_, sayings| !sayings.is_empty());
        old
    }
}

fn awaits_node(pod: &PodView) -> bool {
    matches!(pod.stage, Stage::Unscheduled(_))
}

fn awaits_volume(pod: &PodView) -> bool {
    pod.stage != Stage::Running
}

fn node_word(said: &Said) -> NodeWord {
    NodeWord {
        coming: said.matter == Matter::NodeComes,
        said: said.words.clone(),
        at: said.at,
    }
}

impl Inventory {
    pub(super) fn put_said(&mut self, namespace: &Arc<str>, said: Said) {
        let space = self.spaces.get_mut(namespace);
        let space = space.filter(|space| space.has(&said.about));
        let about = said.about.clone();
        if self.words.hear(said, space.is_some())
            && let Some(space) = space
        {
            space.tell_again(&about, &mut self.words);
        }
    }

    /// Something that was said may be over one day.
    pub(in super::super) fn remembers(&self) -> bool {
        !self.words.is_empty()
    }

    /// Forgets what was said too long ago.
    pub(in super::super) fn forget(&mut self, now: SystemTime) {
        for uid in self.words.forget_old(now) {
            for space in self.spaces.values_mut() {
                space.tell_again(&uid, &mut self.words);
            }
        }
    }
}
