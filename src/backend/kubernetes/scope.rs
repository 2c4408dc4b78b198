//! How much of a cluster is looked at.

use std::str::FromStr;

use thiserror::Error;

/// How much of a cluster is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only these namespaces, and nothing of the cluster as a whole; none are all.
    pub namespaces: Vec<String>,
    /// Kinds of workloads beside Deployments and `StatefulSets`.
    pub kinds: Vec<Kind>,
    /// The gateway's own Service: its namespace and name.
    pub own: Option<(String, String)>,
}

/// A kind of workload: `Rollout.v1alpha1.argoproj.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// `Rollout`.
    pub kind: String,
    /// `v1alpha1`.
    pub version: String,
    /// `argoproj.io`; empty for Kubernetes' oldest kinds.
    pub group: String,
}

impl Kind {
    /// `argoproj.io/v1alpha1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// A text names no kind.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0} is not a kind as KIND.VERSION.GROUP, for example Rollout.v1alpha1.argoproj.io")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (kind, version, group) = (part(), part(), part());
        let is_version = version
            .strip_prefix('v')
            .is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
        let plain = |text: &str, also: &[char]| {
            let may = |c: char| c.is_ascii_alphanumeric() || also.contains(&c);
            text.chars().all(may)
        };
        let fits = !kind.is_empty() && is_version && plain(&kind, &[]) && plain(&version, &[]);
        if fits && plain(&group, &['.', '-']) {
            Ok(Self {
                kind,
                version,
                group,
            })
        } else {
            Err(UnknownKind(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_with_its_version_and_group() {
        let kind: Kind = "Rollout.v1alpha1.argoproj.io"
            .parse()
            .expect("it is a kind");
        assert_eq!(
            (&*kind.kind, &*kind.version, &*kind.group),
            ("Rollout", "v1alpha1", "argoproj.io")
        );
        assert_eq!(kind.api_version(), "argoproj.io/v1alpha1");
        let old: Kind = "ReplicationController.v1".parse().expect("it is a kind");
        assert_eq!(old.api_version(), "v1");
        for wrong in [
            "",
            "Rollout",
            "Rollout.argoproj.io",
            "../x.v1.y",
            "Rollout.v1.a/b",
        ] {
            assert_eq!(wrong.parse::<Kind>(), Err(UnknownKind(wrong.to_owned())));
        }
    }
}
