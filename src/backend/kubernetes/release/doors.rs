//! Callers of Services who pass the gate are led to pods again: selectors are given back, then the
//! `EndpointSlices` of the gateways go.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{DeleteParams, DynamicObject};
use tokio::time::sleep;

use super::super::call::in_time;
use super::super::doors::facts::{MANAGED_BY, OURS, SERVICE_NAME, ServiceView};
use super::super::doors::{SETTLED, give_back, services, slices};
use super::super::inventory::facts::Fact;
use super::super::read::{KindOf, service};
use super::super::seams::ApiError;
use super::found::list;
use super::{Release, named};

/// What keeps a selector away although it was given back.
const POLICY: &str = "an admission policy takes its selector away again: first kubectl delete -k \
                      deploy/kustomize/components/kserve-every-caller (with Helm, kserve.everyCaller: false), \
                      then release again";

impl Release<'_> {
    /// Leads callers of all Services of a namespace to pods, or of those alone that are for pods with these
    /// labels.
    pub(super) async fn lead_back(
        &mut self,
        namespace: Option<&str>,
        only: Option<&BTreeMap<String, String>>,
    ) {
        let known = list(&self.client, namespace, &services(), None).await;
        let ours = format!("{MANAGED_BY}={OURS}");
        let ours = list(&self.client, namespace, &slices(), Some(&ours)).await;
        let (known, ours) = match (known, ours) {
            (Ok(known), Ok(ours)) => (known, ours),
            (Err(error), _) => return self.failed("services", error),
            (_, Err(error)) => return self.failed("endpointslices", error),
        };
        let selects = |view: &ServiceView| {
            only.is_none_or(|labels| {
                let wants = view.effective();
                let is_met = |(name, value)| labels.get(name) == Some(value);
                !wants.is_empty() && wants.iter().all(is_met)
            })
        };
        let views: Vec<ServiceView> = known.iter().filter_map(view).filter(selects).collect();
        let (mut given, mut kept) = (false, BTreeSet::new());
        for view in &views {
            match self.give_back(view).await {
                Some(true) => given = true,
                Some(false) => {
                    kept.insert((view.at.namespace.to_string(), view.at.name.to_string()));
                }
                None => {}
            }
        }
        if given && !ours.is_empty() {
            sleep(SETTLED).await;
        }
        let is_meant = |at: &(String, String)| {
            let mut meant = views.iter();
            let is_it = |view: &ServiceView| *view.at.namespace == *at.0 && *view.at.name == *at.1;
            only.is_none() || meant.any(is_it)
        };
        for slice in ours {
            let at = place(&slice);
            if !kept.contains(&at) && is_meant(&at) {
                self.remove_slice(&slice).await;
            }
        }
    }

    /// Whether the selector is the Service's own by now; `None` where it was before.
    async fn give_back(&mut self, view: &ServiceView) -> Option<bool> {
        let (name, namespace) = (&view.at.name, &view.at.namespace);
        let told = format!("service/{name} in {namespace}");
        let Some(deed) = give_back(view) else {
            if view.is_taken() {
                self.failed(
                    told,
                    "its selector is taken away, and none is kept: write it by hand",
                );
                return Some(false);
            }
            return None;
        };
        let done = match deed.be_done(self.client.clone()).await {
            Ok(()) => self.is_own(view).await,
            Err(ApiError::Gone) => return None,
            Err(error) => Err(error),
        };
        let is_own = done == Ok(true);
        match done {
            Ok(true) if view.is_taken() => self.done(format!("{told}: selector given back")),
            Ok(true) => return None,
            Ok(false) => self.failed(told, POLICY),
            Err(error) => self.failed(told, error),
        }
        Some(is_own)
    }

    async fn is_own(&self, view: &ServiceView) -> Result<bool, ApiError> {
        let api = named(&self.client, &view.at.namespace, &services());
        let now = in_time(api.get(&view.at.name)).await;
        let now = now.map_err(|failure| failure.error)?;
        Ok(self::view(&now).is_none_or(|now| !now.is_taken()))
    }

    async fn remove_slice(&mut self, slice: &DynamicObject) {
        let meta = &slice.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let told = format!("endpointslice/{name} in {namespace}");
        let api = named(&self.client, namespace, &slices());
        match in_time(api.delete(name, &DeleteParams::default())).await {
            Ok(_) => self.done(format!("{told}: removed")),
            Err(failure) if failure.error == ApiError::Gone => {}
            Err(failure) => self.failed(told, failure.error),
        }
    }
}

fn view(object: &DynamicObject) -> Option<ServiceView> {
    let kind = KindOf {
        api_version: "v1".into(),
        kind: "Service".into(),
        plural: "services".into(),
    };
    let text = serde_json::to_string(object).ok()?;
    match service(&kind, &text).ok()?? {
        Fact::Service(service) => Some((*service.view).clone()),
        _ => None,
    }
}

/// The Service that a slice is for.
fn place(slice: &DynamicObject) -> (String, String) {
    let labels = slice.metadata.labels.as_ref();
    let service = labels.and_then(|labels| labels.get(SERVICE_NAME));
    (
        slice.metadata.namespace.clone().unwrap_or_default(),
        service.cloned().unwrap_or_default(),
    )
}
