//! Who may ask, and for what: API keys, known by their SHA-256 alone.
//!
//! Which header carries a key and what a stranger is answered is decided by `proxy`; what a key's
//! tenant and class are good for, by whoever orders the line.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::admission::Class;
use crate::revision::RevisionId;

/// One key: whose it is and what it opens.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called where it is spoken of.
    pub name: Arc<str>,
    /// The SHA-256 of the key.
    pub digest: [u8; 32],
    /// Who shares with whom: keys of one tenant are one.
    pub tenant: Arc<str>,
    /// The class of what comes with it; `None` says nothing.
    pub class: Option<Class>,
    /// The revisions it opens; `None` is all of them.
    pub revisions: Option<BTreeSet<RevisionId>>,
    /// The replica is told the key, too.
    pub forwarded: bool,
}

impl ApiKey {
    /// Whether it opens a revision.
    #[must_use]
    pub fn opens(&self, id: &RevisionId) -> bool {
        self.revisions
            .as_ref()
            .is_none_or(|opened| opened.contains(id))
    }
}

/// Masked: of a key that is short or well known, its digest is as good as the key.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("digest", &"***")
            .field("tenant", &self.tenant)
            .field("class", &self.class)
            .field("revisions", &self.revisions)
            .field("forwarded", &self.forwarded)
            .finish()
    }
}

/// Whether a caller may know of a revision: with the key it came with, or where nobody needs one.
#[must_use]
pub fn may_see(caller: Option<&ApiKey>, id: &RevisionId) -> bool {
    caller.is_none_or(|key| key.opens(id))
}

/// All keys there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring(Vec<Arc<ApiKey>>);

impl Keyring {
    /// A ring of these keys.
    #[must_use]
    pub fn new(keys: Vec<ApiKey>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Whether there is none, so that nobody needs one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter().map(|key| &**key)
    }

    /// The key that somebody has shown. Takes as long whichever it is, and if it is none.
    #[must_use]
    pub fn find(&self, shown: &[u8]) -> Option<Arc<ApiKey>> {
        let digest: [u8; 32] = Sha256::digest(shown).into();
        let mut found = u64::MAX;
        for (place, key) in (0..).zip(&self.0) {
            found.conditional_assign(&place, key.digest.ct_eq(&digest));
        }
        let place = usize::try_from(found).ok()?;
        self.0.get(place).cloned()
    }
}

/// What an `Authorization` header shows, if it is `Bearer SECRET`.
#[must_use]
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, secret) = authorization.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| secret.trim_ascii())
}

/// Whether two secrets are the same, told in a time that depends on their lengths alone.
#[must_use]
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, secret: &str, revisions: Option<&[&str]>) -> ApiKey {
        ApiKey {
            name: name.into(),
            digest: Sha256::digest(secret).into(),
            tenant: name.into(),
            class: None,
            revisions: revisions.map(|all| all.iter().map(|id| RevisionId::new(*id)).collect()),
            forwarded: false,
        }
    }

    #[test]
    fn a_key_is_found_by_what_was_hashed_and_by_nothing_else() {
        let ring = Keyring::new(vec![
            key("a", "alpha", None),
            key("b", "beta", None),
            key("c", "", None),
        ]);
        let found = |shown: &str| ring.find(shown.as_bytes()).map(|key| key.name.to_string());
        assert_eq!(found("alpha").as_deref(), Some("a"));
        assert_eq!(found("beta").as_deref(), Some("b"));
        assert_eq!(found("").as_deref(), Some("c"));
        for stranger in ["Alpha", "alpha ", "alph", "gamma", "a"] {
            assert_eq!(found(stranger), None, "{stranger}");
        }
        assert_eq!(Keyring::default().find(b"alpha"), None);
    }

    #[test]
    fn a_key_opens_what_it_lists_or_everything() {
        let (some, all) = (key("a", "a", Some(&["m", "n"])), key("b", "b", None));
        let check = |caller: Option<&ApiKey>, id: &str, want| {
            assert_eq!(may_see(caller, &RevisionId::new(id)), want, "{id}");
        };
        check(Some(&some), "m", true);
        check(Some(&some), "o", false);
        check(Some(&all), "o", true);
        check(None, "o", true);
    }

    #[test]
    fn what_is_printed_of_a_ring_holds_no_digest() {
        let printed = format!("{:?}", Keyring::new(vec![key("a", "alpha", None)]));
        assert!(printed.contains("***") && printed.contains("\"a\""));
        let digest: [u8; 32] = Sha256::digest("alpha").into();
        assert!(!printed.contains(&format!("{digest:?}")), "{printed}");
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        assert!(same_secret(b"token", b"token"));
        assert!(!same_secret(b"token", b"Token"));
        assert!(!same_secret(b"token", b"token "));
    }
}
