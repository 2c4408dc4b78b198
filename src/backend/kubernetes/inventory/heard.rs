//! What is heard of one object: where it is kept, and what has to be looked at again for it.

use std::collections::HashSet;
use std::sync::Arc;

use super::facts::{Fact, Platform, Pod, Route};
use super::slices::Difference;
use super::space::Space;
use super::{Inventory, Key, Named, SourceId, Tells};
use crate::backend::kubernetes::doors::facts::SliceView;

impl Inventory {
    pub(super) fn listed(&mut self, source: SourceId, all: Vec<Named>) {
        let there: HashSet<_> = all
            .iter()
            .map(|named| (named.namespace.clone(), named.name.clone()))
            .collect();
        let known = self.spaces.iter().flat_map(|(namespace, space)| {
            space
                .names_of(source)
                .map(move |name| (namespace.clone(), name))
        });
        let known = known.chain(self.routes.names_of(source));
        let known: Vec<_> = known.chain(self.slices.names_of(source)).collect();
        for (namespace, name) in known.into_iter().filter(|at| !there.contains(at)) {
            self.gone(&namespace, &(source, name));
        }
        if all.is_empty() {
            self.forget_platform(source);
        }
        for named in all {
            self.put(source, named);
        }
    }

    pub(super) fn put(
        &mut self,
        source: SourceId,
        Named {
            namespace,
            name,
            fact,
        }: Named,
    ) {
        let key = (source, name);
        match fact {
            Fact::Route(route) => self.put_route(namespace, key, route),
            Fact::Platform(platform) => self.set_platform(platform),
            Fact::Said(said) => self.put_said(&namespace, said),
            Fact::Slice(it) => self.put_slice(namespace, key, it),
            Fact::Pod(pod) => {
                let mut pod = self.interned(pod);
                pod.view = self.words.join(pod.view);
                let left = self.space(namespace).put_pod(key, pod);
                left.inspect(|left| self.words.forget(left));
            }
            Fact::Workload(it) => {
                self.words.meet(&it.at.uid);
                let left = self.space(namespace).put_workload(key, *it);
                left.inspect(|left| self.words.forget(left));
            }
            Fact::Service(it) => {
                self.changed.doors |= self.space(namespace).put_service(key, it);
            }
            Fact::Steerer(it) => self.space(namespace).put_steerer(key, it),
            Fact::InferenceService(it) => self.space(namespace).put_inference_service(key, it),
        }
    }

    fn space(&mut self, namespace: Arc<str>) -> &mut Space {
        self.spaces.entry(namespace).or_default()
    }

    pub(super) fn gone(&mut self, namespace: &Arc<str>, key: &Key) {
        self.forget_platform(key.0);
        if self.routes.remove(namespace, key) {
            self.all_dirty = true;
        }
        if self.slices.remove(namespace, key) {
            self.changed.doors = true;
            // Another may have its numbers now.
            self.all_dirty = true;
        }
        if let Some(space) = self.spaces.get_mut(namespace) {
            self.changed.doors |= space.services.contains_key(key);
            space.gone(key).inspect(|left| self.words.forget(left));
        }
    }

    fn put_route(&mut self, namespace: Arc<str>, key: Key, route: Route) {
        // Rare enough to look at everything again.
        self.all_dirty |= self.routes.put(namespace, key, route);
    }

    fn put_slice(&mut self, namespace: Arc<str>, key: Key, slice: SliceView) {
        let change = self.slices.put(namespace, key, slice);
        self.changed.doors |= change != Difference::None;
        // Rare enough to look at everything again: a number of it may be another's.
        self.all_dirty |= change == Difference::Numbers;
    }

    /// The one object that such a watch tells of is gone.
    fn forget_platform(&mut self, source: SourceId) {
        if self.tells(source) == Tells::Platform {
            self.set_platform(Platform::default());
        }
    }

    fn set_platform(&mut self, platform: Platform) {
        self.changed.domain |= self.platform.domain != platform.domain;
        self.all_dirty |= self.platform.mode != platform.mode;
        self.platform = platform;
    }

    /// The same labels are held once: the pods of one template differ in nothing else.
    fn interned(&mut self, pod: Pod) -> Pod {
        if let Some(labels) = self.labels.get(&pod.labels) {
            return Pod {
                labels: labels.clone(),
                ..pod
            };
        }
        if self.labels.len() == self.labels.capacity() {
            self.labels.retain(|labels| Arc::strong_count(labels) > 1);
        }
        self.labels.insert(pod.labels.clone());
        pod
    }
}
