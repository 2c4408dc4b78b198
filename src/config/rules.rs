//! The rules between the keys of one revision: Knative's, between its numbers of replicas. What one
//! value may be is in `keys`.

use super::complaint::Complaints;
use super::key::Key;
use super::keys as k;
use super::manifest::Subject;
use super::metrics;
use super::revision::Draft;
use super::schedule::numbers;
use super::tree::Node;
use crate::revision::CallerPath;

/// What is wrong with a way of callers where there are no Services.
pub(super) const NOT_HERE: &str =
    "is for pods in a cluster, local processes have no callers but those who come to the gate";

impl Draft<'_> {
    /// Complains about numbers that contradict each other.
    pub(super) fn rules(&self, complaints: &mut Complaints) {
        metrics::rules(&self.layers, complaints);
        let min = self.layers.sound(&k::MIN_REPLICAS);
        let activation = self.layers.written(&k::ACTIVATION_SCALE);
        if let Some((most, name)) = self.most() {
            let what = format!("at most {name} ({most})");
            self.at_most(most, min, &k::MIN_REPLICAS, &what, complaints);
            self.at_most(most, activation, &k::ACTIVATION_SCALE, &what, complaints);
            let hours = self.layers.node(&k::SCHEDULE).into_iter();
            for (node, _) in hours.flat_map(numbers).filter(|(_, n)| *n > most) {
                complaints.push(node.wanted(&what));
            }
        }
        if let (Some(min), Some(activation)) = (min, activation.filter(|n| *n > 1))
            && activation < min
            && let Some(node) = self.layers.node(&k::ACTIVATION_SCALE)
        {
            let name = self.called(&k::MIN_REPLICAS);
            complaints.push(node.wanted(&format!("at least {name} ({min})")));
        }
        self.rule_of_the_limit(complaints);
        self.rule_of_no_start(complaints);
    }

    /// Callers of a Service pass the gate only where there are Services. An annotation may be meant for
    /// a cluster: it is warned of where it is read, and says nothing here.
    pub(super) fn rule_of_callers(&self, complaints: &mut Complaints) {
        let path = self.layers.written(&k::CALLER_PATH);
        if let Some(node) = self.layers.node(&k::CALLER_PATH)
            && path.is_some_and(|path| path != CallerPath::Host)
        {
            complaints.push(node.complaint(NOT_HERE));
        }
    }

    /// The cap and what it is called.
    fn most(&self) -> Option<(u32, String)> {
        match self.layers.node(&k::MAX_REPLICAS) {
            Some(_) => {
                let max = self.layers.written(&k::MAX_REPLICAS);
                let max = max.filter(|max| *max > 0)?;
                Some((max, self.called(&k::MAX_REPLICAS)))
            }
            None => Some((self.max_scale_limit()?, self.called(&k::MAX_SCALE_LIMIT))),
        }
    }

    fn at_most(
        &self,
        most: u32,
        written: Option<u32>,
        key: &Key<u32>,
        what: &str,
        complaints: &mut Complaints,
    ) {
        if let (Some(node), Some(_)) = (self.layers.node(key), written.filter(|n| *n > most)) {
            complaints.push(node.wanted(what));
        }
    }

    /// Under a limit on caps, a cap is at most that, and there is one.
    fn rule_of_the_limit(&self, complaints: &mut Complaints) {
        let max = self.layers.written(&k::MAX_REPLICAS);
        if let (Some(limit), Some(max)) = (self.max_scale_limit(), max)
            && !(1..=limit).contains(&max)
            && let Some(node) = self.layers.node(&k::MAX_REPLICAS)
        {
            let name = self.called(&k::MAX_SCALE_LIMIT);
            complaints.push(node.wanted(&format!("from 1 to {name} ({limit})")));
        }
    }

    /// A revision begins with none only where that is allowed: everywhere but in the manifests of
    /// `KServe`, whose clusters have to say so.
    fn rule_of_no_start(&self, complaints: &mut Complaints) {
        let allowed = self.layers.written(&k::ALLOW_ZERO_INITIAL_SCALE);
        let allowed = allowed.unwrap_or(self.subject.is_none_or(Subject::may_begin_with_none));
        if self.layers.written(&k::INITIAL_SCALE) == Some(0)
            && !allowed
            && let Some(node) = self.layers.node(&k::INITIAL_SCALE)
        {
            let name = k::ALLOW_ZERO_INITIAL_SCALE.about.path;
            complaints.push(node.wanted(&format!("1 or more (0 needs {name}: true)")));
        }
    }

    /// What a key is called where it was written: our name, or that of the annotation.
    fn called<T>(&self, key: &Key<T>) -> String {
        let annotation = |node: &Node| {
            let (_, name) = node.path.split_once("annotations.")?;
            Some(name.to_owned())
        };
        let written = self.layers.node(key).and_then(annotation);
        written.unwrap_or_else(|| key.about.path.to_owned())
    }
}
