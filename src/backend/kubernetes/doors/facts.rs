//! What is kept of Services and of our own `EndpointSlices`: by which way callers of a Service's own name
//! reach a model server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::backend::kubernetes::objects::ObjectRef;

/// Where the selector of a Service is kept while it has another, as `k=v,k2=v2`.
pub const SELECTOR: &str = "holdgate.dev/selector";
/// Which callers pass the gate; on a Service only so that its admission policy is asked.
pub const PATH: &str = "holdgate.dev/path";
/// What no pod is labelled with: a Service that selects by it leads only where our slice does.
pub const NOTHING: (&str, &str) = ("holdgate.dev/nothing", "here");
/// Who looks after an `EndpointSlice`, as a label.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// We do.
pub const OURS: &str = "holdgate.dev";
/// To which Service an `EndpointSlice` belongs, as a label.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The name of our `EndpointSlice` for a Service.
#[must_use]
pub fn slice_name(service: &str) -> String {
    format!("{service}-holdgate")
}

/// A Service as the keeper of its doors sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// Which.
    pub at: ObjectRef,
    /// As of which version this was seen.
    pub resource_version: Arc<str>,
    /// Its selector as it is.
    pub selector: BTreeMap<String, String>,
    /// The selector that it had before it was taken away, where one is kept.
    pub kept: Option<BTreeMap<String, String>>,
    /// Its name leads to the addresses of its endpoints, and to no address of its own.
    pub headless: bool,
    /// Whoever calls it from a node comes to what runs on that node, or nowhere.
    pub local: bool,
    /// Of which kinds its addresses are, the first one first.
    pub families: Vec<Family>,
    /// Its ports in their order.
    pub ports: Vec<ServicePort>,
    /// `KServe` made it, and sets back what others change.
    pub made: bool,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
    /// Where it leads to.
    pub target: Target,
    /// What is spoken there, where that is said: `kubernetes.io/h2c`.
    pub app_protocol: Option<String>,
    /// It is one of TCP: nobody else listens for others.
    pub tcp: bool,
}

/// Where a port of a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This port of a pod.
    Number(u16),
    /// The port of a container that goes by this name.
    Name(String),
}

/// The kind of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `IPv4`.
    #[default]
    V4,
    /// `IPv6`.
    V6,
}

/// An `EndpointSlice` of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceView {
    /// Which.
    pub at: ObjectRef,
    /// As of which version this was seen.
    pub resource_version: Arc<str>,
    /// When it was made.
    pub created: SystemTime,
    /// Its Service, by name.
    pub service: Arc<str>,
    /// The UID of the Service that it goes with.
    pub owner: Option<Arc<str>>,
    /// Of which kind its addresses are.
    pub family: Family,
    /// Where the gateways listen, by the ports of the Service.
    pub ports: Vec<SlicePort>,
    /// The gateways.
    pub addresses: BTreeSet<IpAddr>,
    /// On which node each of them runs, as far as that is said.
    pub nodes: BTreeMap<IpAddr, Arc<str>>,
}

/// One port of an `EndpointSlice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the Service's port, where it has one.
    pub name: Option<String>,
    /// Where the gateways listen for it.
    pub number: u16,
    /// What is spoken there, where that is said.
    pub app_protocol: Option<String>,
}

/// An object by its namespace and name.
pub type Place = (Arc<str>, Arc<str>);

/// Every Service and every slice of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct DoorSight {
    /// The Services.
    pub services: BTreeMap<Place, Arc<ServiceView>>,
    /// Our slices, by the Service that they belong to.
    pub slices: BTreeMap<Place, Arc<SliceView>>,
    /// Where the API server does not tell of every change: there it is how it was when it was last heard
    /// of. `None` is everywhere.
    pub deaf: BTreeSet<Option<Arc<str>>>,
}

/// Before anything was heard.
impl Default for DoorSight {
    fn default() -> Self {
        Self {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            deaf: BTreeSet::from([None]),
        }
    }
}

impl DoorSight {
    /// What is known of a namespace is how it is.
    #[must_use]
    pub fn hears(&self, namespace: &Arc<str>) -> bool {
        !self.deaf.contains(&None) && !self.deaf.contains(&Some(namespace.clone()))
    }
}

impl Family {
    /// That of an address.
    #[must_use]
    pub const fn of(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// As the API calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// By what the API calls it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::V4, Self::V6]
            .into_iter()
            .find(|it| it.as_str() == name)
    }
}

impl ServiceView {
    /// Its selector was taken away: it leads only where our slice does, whatever its owner writes beside
    /// what no pod is labelled with.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let (label, value) = NOTHING;
        self.selector.get(label).is_some_and(|it| it == value)
    }

    /// Whose pods it is for: also while its selector is taken away. What is applied meanwhile is merged
    /// into that label by label (`kubectl apply`, Helm), so it counts before what is kept. Empty where
    /// nobody knows.
    #[must_use]
    pub fn effective(&self) -> BTreeMap<String, String> {
        let mut own = self.selector.clone();
        if self.is_taken() {
            own.remove(NOTHING.0);
            let kept = self.kept.iter().flatten();
            for (label, value) in kept {
                own.entry(label.clone()).or_insert_with(|| value.clone());
            }
        }
        own
    }
}

/// A selector as an annotation keeps it; `None` where it cannot be one.
#[must_use]
pub fn parse_selector(text: &str) -> Option<BTreeMap<String, String>> {
    let pair = |pair: &str| {
        let (label, value) = pair.split_once('=')?;
        (!label.is_empty()).then(|| (label.to_owned(), value.to_owned()))
    };
    let all: Option<BTreeMap<_, _>> = text.split(',').map(str::trim).map(pair).collect();
    all.filter(|all| !all.is_empty())
}

/// The same, written.
#[must_use]
pub fn write_selector(selector: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_as_it_was_written() {
        let read = parse_selector("app=isvc.flowers-predictor,tier=model").expect("it is one");
        assert_eq!(
            write_selector(&read),
            "app=isvc.flowers-predictor,tier=model"
        );
        assert_eq!(
            parse_selector("app=").expect("an empty value is one")["app"],
            ""
        );
        for wrong in ["", "app", "=x", "app=x,", "app=x,,y=z"] {
            assert_eq!(parse_selector(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_known_before_anything_was_heard() {
        assert!(!DoorSight::default().hears(&"models".into()));
    }
}
