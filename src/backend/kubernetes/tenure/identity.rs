//! Which pod this program runs in.

use crate::backend::kubernetes::own::PODS;

/// Where the service account's namespace stands.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The pod of this gateway, and which others are of the same installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The labels of every gateway pod of this installation, as a label selector.
    pub selector: String,
}

impl PodIdentity {
    /// What the environment tells through the downward API: `POD_NAME`, `POD_UID` and
    /// `POD_NAMESPACE` (else the service account's), and `POD_SELECTOR` where the pods carry other
    /// labels than ours usually do. `None` outside a pod.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let said = |name: &str| std::env::var(name).ok();
        let found = Self::of(said, || std::fs::read_to_string(NAMESPACE_FILE).ok());
        if found.is_none() && said("KUBERNETES_SERVICE_HOST").is_some() {
            // A manifest of somebody's own: two such gateways would not hear of each other.
            tracing::warn!("in a cluster without POD_NAME and POD_UID: run no second gateway");
        }
        found
    }

    fn of(
        said: impl Fn(&str) -> Option<String>,
        account: impl FnOnce() -> Option<String>,
    ) -> Option<Self> {
        let said = |name: &str| said(name).filter(|value| !value.trim().is_empty());
        Some(Self {
            name: said("POD_NAME")?,
            uid: said("POD_UID")?,
            namespace: said("POD_NAMESPACE").or_else(account)?.trim().to_owned(),
            selector: said("POD_SELECTOR").unwrap_or_else(|| PODS.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &[(&str, &str)], account: Option<&str>) -> Option<PodIdentity> {
        let value = |name: &str| {
            let found = said.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        PodIdentity::of(value, || account.map(str::to_owned))
    }

    #[test]
    fn a_pod_knows_itself_by_its_environment() {
        let name_and_uid = [("POD_NAME", "gateway-1"), ("POD_UID", "u")];
        let identity = |namespace: &str, selector: &str| PodIdentity {
            namespace: namespace.to_owned(),
            name: "gateway-1".to_owned(),
            uid: "u".to_owned(),
            selector: selector.to_owned(),
        };
        let all = [
            &name_and_uid[..],
            &[("POD_NAMESPACE", "a"), ("POD_SELECTOR", "app=g")],
        ]
        .concat();
        assert_eq!(of(&all, Some("b")), Some(identity("a", "app=g")));
        assert_eq!(of(&name_and_uid, Some("b\n")), Some(identity("b", PODS)));
        assert_eq!(of(&name_and_uid, None), None);
        assert_eq!(
            of(&[("POD_NAME", "gateway-1"), ("POD_UID", "")], Some("b")),
            None
        );
    }
}
