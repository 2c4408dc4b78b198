//! One namespace of the inventory: what is in it, and which pods belong to which workload.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use super::claims::Stand;
use super::facts::{InferenceService, Part, Pod, Service, Steerer, Word};
use super::index::Index;
use super::words::Words;
use super::{Key, SourceId};
use crate::backend::kubernetes::objects::{PodView, Template, Workload};
use crate::backend::kubernetes::read::EXTERNAL;
use crate::revision::RevisionId;

/// What one namespace holds.
#[derive(Default)]
pub(super) struct Space {
    pods: BTreeMap<Key, Pod>,
    pub(super) workloads: BTreeMap<Key, Entry>,
    by_selector: Index<Key>,
    /// Pods and workloads.
    by_uid: HashMap<Arc<str>, Key>,
    pub(super) services: BTreeMap<Key, Service>,
    pub(super) steerers: BTreeMap<Key, Steerer>,
    pub(super) inference_services: BTreeMap<Key, Owned>,
    /// What claims it has, as of the last time that somebody looked.
    pub(super) stands: BTreeMap<RevisionId, Stand>,
    pub(super) revisions: HashMap<Key, RevisionId>,
    /// Its claims may have changed.
    pub(super) dirty: bool,
    /// Workloads that are not as they were, or whose pods are not.
    pub(super) stale: BTreeSet<Key>,
}

/// A workload and its pods.
pub(super) struct Entry {
    pub(super) workload: Arc<Workload>,
    /// Shared with its claim.
    pub(super) template: Arc<Template>,
    /// Oldest first.
    pub(super) pods: BTreeMap<(SystemTime, Arc<str>), Arc<PodView>>,
}

/// An `InferenceService`, and whether it ever was ours: who takes it away from us wants to hear of it.
pub(super) struct Owned {
    pub(super) fact: InferenceService,
    pub(super) was_ours: bool,
}

impl Space {
    pub(super) fn is_empty(&self) -> bool {
        self.pods.is_empty()
            && self.workloads.is_empty()
            && self.services.is_empty()
            && self.steerers.is_empty()
            && self.inference_services.is_empty()
    }

    /// The workload behind a revision.
    pub(super) fn entry(&self, revision: &RevisionId) -> Option<(SourceId, &Entry)> {
        let key = self.stands.get(revision)?.workload.as_ref()?;
        Some((key.0, self.workloads.get(key)?))
    }

    /// Everything that one watch has told of.
    pub(super) fn names_of(&self, source: SourceId) -> impl Iterator<Item = Arc<str>> {
        let keys = self
            .pods
            .keys()
            .chain(self.workloads.keys())
            .chain(self.services.keys());
        let keys = keys
            .chain(self.steerers.keys())
            .chain(self.inference_services.keys());
        keys.filter(move |key| key.0 == source)
            .map(|key| key.1.clone())
    }

    /// Whether a pod or a workload with this UID is there.
    pub(super) fn has(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    /// Something else is to be said of whoever has this UID.
    pub(super) fn tell_again(&mut self, uid: &str, words: &mut Words) {
        let Some(key) = self.by_uid.get(uid).cloned() else {
            return;
        };
        match self.pods.get(&key).cloned() {
            Some(mut pod) => {
                pod.view = words.join(pod.view);
                self.put_pod(key, pod);
            }
            None => {
                self.stale.insert(key);
            }
        }
    }

    /// The UID of the one in whose place it is, if that is gone by that.
    pub(super) fn put_pod(&mut self, key: Key, pod: Pod) -> Option<Arc<str>> {
        if self.pods.get(&key) == Some(&pod) {
            return None;
        }
        let left = self.remove_pod(&key);
        self.by_uid.insert(pod.view.uid.clone(), key.clone());
        let left = left.filter(|left| *left != pod.view.uid);
        for workload in self.by_selector.candidates(&pod.labels) {
            let entry = self
                .workloads
                .get_mut(&workload)
                .expect("what is indexed is there");
            if entry.workload.selector.matches(&pod.labels) {
                entry.pods.insert(place(&pod.view), pod.view.clone());
                self.stale.insert(workload);
            }
        }
        self.pods.insert(key, pod);
        left
    }

    /// Its UID, if it was there.
    fn remove_pod(&mut self, key: &Key) -> Option<Arc<str>> {
        let pod = self.pods.remove(key)?;
        self.by_uid.remove(&pod.view.uid);
        for workload in self.by_selector.candidates(&pod.labels) {
            let entry = self
                .workloads
                .get_mut(&workload)
                .expect("what is indexed is there");
            if entry.pods.remove(&place(&pod.view)).is_some() {
                self.stale.insert(workload);
            }
        }
        Some(pod.view.uid.clone())
    }

    /// The UID of the one in whose place it is, if that is gone by that.
    pub(super) fn put_workload(&mut self, key: Key, workload: Workload) -> Option<Arc<str>> {
        let old = self.workloads.get(&key);
        if old.is_some_and(|old| *old.workload == workload) {
            return None;
        }
        self.dirty |= old.is_none_or(|old| !claims_alike(&old.workload, &workload));
        self.stale.insert(key.clone());
        let old = old.map(|old| old.workload.at.uid.clone());
        let left = old.filter(|old| *old != workload.at.uid);
        left.as_ref().and_then(|left| self.by_uid.remove(left));
        let uid = workload.at.uid.clone();
        self.set_workload(&key, workload);
        self.by_uid.insert(uid, key);
        left
    }

    fn set_workload(&mut self, key: &Key, workload: Workload) {
        let template = Arc::new(workload.template.clone());
        if let Some(old) = self.workloads.get_mut(key)
            && old.workload.selector == workload.selector
        {
            if old.template != template {
                old.template = template;
            }
            old.workload = Arc::new(workload);
            return;
        }
        self.remove_workload(key);
        let own = self
            .pods
            .values()
            .filter(|pod| workload.selector.matches(&pod.labels));
        let pods = own
            .map(|pod| (place(&pod.view), pod.view.clone()))
            .collect();
        self.by_selector.add(&workload.selector, key);
        let workload = Arc::new(workload);
        self.workloads.insert(
            key.clone(),
            Entry {
                workload,
                template,
                pods,
            },
        );
    }

    /// Its UID, if it was there.
    fn remove_workload(&mut self, key: &Key) -> Option<Arc<str>> {
        let entry = self.workloads.remove(key)?;
        self.by_selector.remove(&entry.workload.selector, key);
        self.by_uid.remove(&entry.workload.at.uid);
        self.dirty = true;
        Some(entry.workload.at.uid.clone())
    }

    /// Whether that changes anything.
    pub(super) fn put_service(&mut self, key: Key, service: Service) -> bool {
        let same = self.services.get(&key) == Some(&service);
        self.dirty |= !same;
        self.services.insert(key, service);
        !same
    }

    pub(super) fn put_steerer(&mut self, key: Key, steerer: Steerer) {
        let same = self.steerers.get(&key) == Some(&steerer);
        self.dirty |= !same;
        self.steerers.insert(key, steerer);
    }

    pub(super) fn put_inference_service(&mut self, key: Key, fact: InferenceService) {
        let old = self.inference_services.get(&key);
        let old = old.filter(|old| old.fact.at.uid == fact.at.uid);
        if old.is_some_and(|old| old.fact == fact) {
            return;
        }
        let was_ours = old.is_some_and(|old| old.was_ours);
        let may_be = fact.mode.as_deref() == Some("Standard");
        let external = |part: &Part| part.class.as_deref() == Some(EXTERNAL);
        let is_ours = may_be && fact.parts.iter().any(external);
        let was_ours = fact.word != Word::Refused && (was_ours || is_ours);
        self.inference_services
            .insert(key, Owned { fact, was_ours });
        self.dirty = true;
    }

    /// The UID of the pod or the workload that is gone.
    pub(super) fn gone(&mut self, key: &Key) -> Option<Arc<str>> {
        let left = self.remove_pod(key).or(self.remove_workload(key));
        self.dirty |= self.services.remove(key).is_some();
        self.dirty |= self.steerers.remove(key).is_some();
        self.dirty |= self.inference_services.remove(key).is_some();
        left
    }
}

/// Where a pod stands among the others of its workload.
fn place(pod: &PodView) -> (SystemTime, Arc<str>) {
    (pod.created, pod.uid.clone())
}

/// Whether no claim can tell two versions of a workload apart: its numbers change all the time.
fn claims_alike(one: &Workload, other: &Workload) -> bool {
    one.at == other.at
        && one.created == other.created
        && one.terminating == other.terminating
        && one.owner == other.owner
        && one.labels == other.labels
        && one.annotations == other.annotations
        && one.selector == other.selector
        && one.template == other.template
}
