//! Who asks: the API key that a request came with. Decides which headers carry one, and that the
//! gate's own keys end at this hop.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Request};

use super::Registry;
use super::error::Refusal;
use crate::callers::{ApiKey, Keyring, bearer, same_secret};
use crate::sync::Mutex;

/// What may carry a key, and what is looked at first.
static CARRIERS: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
];

/// The key that a connection came with last: most come with one and the same, and so it is hashed
/// once.
#[derive(Debug)]
pub(super) struct LastKey(Mutex<Option<Box<Known>>>);

impl Default for LastKey {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

struct Known {
    /// What it was found in: a reload makes another.
    ring: Arc<Keyring>,
    shown: Box<[u8]>,
    key: Arc<ApiKey>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Known").field(&self.key.name).finish()
    }
}

impl LastKey {
    fn find(&self, ring: &Arc<Keyring>, shown: &[u8]) -> Option<Arc<ApiKey>> {
        let mut last = self.0.lock();
        if let Some(known) = &*last
            && Arc::ptr_eq(&known.ring, ring)
            && same_secret(&known.shown, shown)
        {
            return Some(Arc::clone(&known.key));
        }
        let key = ring.find(shown)?;
        *last = Some(Box::new(Known {
            ring: Arc::clone(ring),
            shown: shown.into(),
            key: Arc::clone(&key),
        }));
        Some(key)
    }
}

/// Whose request it is, `None` where nobody needs a key. The key is taken out of it, unless the
/// replica is to be told.
pub(super) fn caller<B>(
    registry: &Registry,
    last: &LastKey,
    request: &mut Request<B>,
) -> Result<Option<Arc<ApiKey>>, Refusal> {
    let Some(ring) = registry.keys() else {
        return Ok(None);
    };
    let headers = request.headers_mut();
    let mut shown = CARRIERS.iter().filter_map(|name| carried(headers, name));
    let (secret, key) = shown
        .find_map(|secret| Some((secret, last.find(&ring, secret)?)))
        .ok_or(Refusal::Unauthorized)?;
    if !key.forwarded {
        let carries =
            |name: &&HeaderName| carried(headers, name).is_some_and(|it| same_secret(it, secret));
        let bearers: Vec<&HeaderName> = CARRIERS.iter().filter(carries).collect();
        for name in bearers {
            headers.remove(name);
        }
    }
    Ok(Some(key))
}

/// The key in the first line of this name.
fn carried<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let value = headers.get(name)?.as_bytes();
    if name != AUTHORIZATION {
        return Some(value.trim_ascii());
    }
    bearer(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::RevisionId;
    use sha2::{Digest, Sha256};

    fn registry(forwarded: bool) -> Registry {
        let key = |name: &str| ApiKey {
            name: name.into(),
            digest: Sha256::digest(format!("{name}-secret")).into(),
            tenant: format!("{name}'s").into(),
            class: None,
            revisions: Some([RevisionId::new("m")].into()),
            forwarded,
        };
        let registry = Registry::default();
        registry.set_keys(Arc::new(Keyring::new(vec![key("a"), key("b")])));
        registry
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    /// Whose it is, and the names of the headers that are left.
    fn seen(registry: &Registry, headers: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
        let mut request = request(headers);
        let found = caller(registry, &LastKey::default(), &mut request);
        let left = request.headers().keys().map(ToString::to_string);
        let name = found.ok().flatten().map(|key| key.name.to_string());
        (name, left.collect())
    }

    #[test]
    fn a_key_is_known_in_each_of_three_headers_and_ends_here() {
        let registry = registry(false);
        let check = |headers: &[(&str, &str)], want: Option<&str>, left: &[&str]| {
            let (name, rest) = seen(&registry, headers);
            assert_eq!(name.as_deref(), want, "{headers:?}");
            assert_eq!(rest, left, "{headers:?}");
        };
        check(&[("authorization", "Bearer a-secret")], Some("a"), &[]);
        check(&[("authorization", "bearer  b-secret ")], Some("b"), &[]);
        check(&[("x-api-key", "a-secret"), ("x", "1")], Some("a"), &["x"]);
        check(&[("api-key", "b-secret")], Some("b"), &[]);
        // What is no key of ours is the replica's.
        check(
            &[
                ("authorization", "Bearer theirs"),
                ("x-api-key", "a-secret"),
            ],
            Some("a"),
            &["authorization"],
        );
        check(
            &[("authorization", "Basic YTpi"), ("api-key", "a-secret")],
            Some("a"),
            &["authorization"],
        );
        // Said twice, it is taken out twice.
        check(
            &[
                ("authorization", "Bearer a-secret"),
                ("x-api-key", "a-secret"),
            ],
            Some("a"),
            &[],
        );
        check(&[], None, &[]);
        check(&[("authorization", "a-secret")], None, &["authorization"]);
        check(&[("authorization", "Bearer")], None, &["authorization"]);
        check(&[("authorization", "Bearer ")], None, &["authorization"]);
        check(&[("x-api-key", "")], None, &["x-api-key"]);
        check(&[("x-api-key", "a-secre")], None, &["x-api-key"]);
        check(&[("x-key", "a-secret")], None, &["x-key"]);
    }

    #[test]
    fn a_key_that_is_to_be_forwarded_stays() {
        let (name, left) = seen(&registry(true), &[("x-api-key", "a-secret")]);
        assert_eq!(
            (name.as_deref(), left),
            (Some("a"), vec!["x-api-key".to_owned()])
        );
    }

    #[test]
    fn without_any_keys_nobody_needs_one_and_none_is_touched() {
        let open = Registry::default();
        let mut asked = request(&[("x-api-key", "a-secret")]);
        let found = caller(&open, &LastKey::default(), &mut asked);
        assert!(matches!(found, Ok(None)));
        assert!(asked.headers().contains_key("x-api-key"));
    }

    #[test]
    fn what_a_connection_came_with_before_opens_nothing_once_it_is_taken_away() {
        let (registry, last) = (registry(false), LastKey::default());
        let ask = |secret: &str| {
            let mut asked = request(&[("x-api-key", secret)]);
            let found = caller(&registry, &last, &mut asked).ok().flatten();
            found.map(|key| key.name.to_string())
        };
        for (secret, want) in [
            ("a-secret", Some("a")),
            ("b-secret", Some("b")),
            ("x", None),
        ] {
            for _ in 0..3 {
                assert_eq!(ask(secret).as_deref(), want);
            }
        }
        assert_eq!(ask("a-secret").as_deref(), Some("a"));
        let left = registry.keys().expect("keys");
        let left = left
            .iter()
            .filter(|key| &*key.name == "b")
            .cloned()
            .collect();
        registry.set_keys(Arc::new(Keyring::new(left)));
        assert_eq!(ask("a-secret"), None);
        assert_eq!(ask("b-secret").as_deref(), Some("b"));
        assert!(!format!("{last:?}").contains("secret"));
    }
}
