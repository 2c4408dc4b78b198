//! On what terms a request waits, as its headers say. They are read where it has to wait.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use http::Request;
use http::header::{HeaderMap, HeaderName};

use super::grpc;
use super::upload::Upload;
use crate::admission::{Class, Deadline, Tenant, Terms};
use crate::callers::ApiKey;
use crate::revision::{QueueLimits, QueueOrder, RevisionSpec};

static CLASS: HeaderName = HeaderName::from_static("x-holdgate-class");
static TIMEOUT: HeaderName = HeaderName::from_static("x-holdgate-timeout");
static READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");

/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(100_000_000);

/// Keyed anew in every process: what a tenant is called cannot be found out from its number, nor can
/// anybody choose a name that has somebody else's.
static NUMBERS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What a request says to us in headers that go no further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    class: Option<Class>,
    timeout: Option<Duration>,
}

impl Asked {
    /// Takes our headers out of a request.
    #[must_use]
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        // Most requests have none: one look at the names is cheaper than a removal for each.
        if !headers.keys().any(|name| name == CLASS || name == TIMEOUT) {
            return Self::default();
        }
        let class = headers.remove(&CLASS);
        let timeout = headers.remove(&TIMEOUT);
        Self {
            class: class.and_then(|word| Class::named(word.to_str().ok()?)),
            timeout: timeout.and_then(|text| duration(text.to_str().ok()?)),
        }
    }

    /// The terms of a request that arrived at this moment, on behalf of whom its key names or, where
    /// there is none, whom its headers do. With nothing written about it, that costs nothing.
    #[must_use]
    pub(super) fn terms(
        self,
        spec: &RevisionSpec,
        request: &Request<Upload>,
        key: Option<&ApiKey>,
        arrived: Instant,
    ) -> Terms {
        let headers = request.headers();
        let mut terms = Terms::default();
        if let QueueOrder::Fair { .. } = spec.queue.order {
            terms.class = self.class(spec, headers, key);
            terms.tenant = tenant(spec, headers, key);
        }
        if spec.wishes.deadlines {
            terms.deadline = self.deadline(request, arrived);
        }
        terms
    }

    /// The class of its key, or what it says itself; with both, the less important.
    fn class(self, spec: &RevisionSpec, headers: &HeaderMap, key: Option<&ApiKey>) -> Class {
        let said = match spec.wishes.class_header.as_deref() {
            None => None,
            Some(name) if name == CLASS.as_str() => self.class,
            Some(name) => word(headers, name).and_then(Class::named),
        };
        let given = key.and_then(|key| key.class);
        given.max(said).unwrap_or_default()
    }

    /// When its answer is of no more use: the earliest moment that it names. What the client library
    /// of `OpenAI` says is how long it waits for the next byte: who hears something before that waits on.
    fn deadline(self, request: &Request<Upload>, arrived: Instant) -> Option<Deadline> {
        let headers = request.headers();
        let whole = match (self.timeout, grpc::timeout(headers)) {
            (Some(ours), Some(grpc)) => Some(ours.min(grpc)),
            (ours, grpc) => ours.or(grpc),
        };
        if let Some(whole) = whole {
            return Some(Deadline::Whole(arrived + whole));
        }
        let begun = headers.get(&READ_TIMEOUT);
        let begun = begun.and_then(|text| duration(text.to_str().ok()?))?;
        let upload = request.body();
        let heard = upload.bystander();
        let heard = heard.and_then(|it| it.hears_every(upload.is_whole()));
        if heard.is_some_and(|every| every < begun) {
            return None;
        }
        Some(Deadline::Begun(arrived + begun))
    }
}

/// Its terms are others where its body asks for a stream of events.
#[must_use]
pub(super) fn depend_on_body(spec: &RevisionSpec, request: &Request<Upload>) -> bool {
    spec.wishes.deadlines
        && request.headers().contains_key(&READ_TIMEOUT)
        && request.body().bystander().is_some_and(|it| it.listens())
}

fn word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A number for whoever it is, whatever they are called and however long the name is.
fn tenant(spec: &RevisionSpec, headers: &HeaderMap, key: Option<&ApiKey>) -> Tenant {
    let named = spec.wishes.tenant_header.as_deref();
    let named = || Some(headers.get(named?)?.as_bytes());
    let Some(name) = key.map(|key| key.tenant.as_bytes()).or_else(named) else {
        return Tenant::NOBODY;
    };
    Tenant::numbered(NUMBERS.hash_one(name))
}

/// `5s`, `500ms`, `2m`, or plain seconds such as `5` and `0.5`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (amount, unit) = text.split_at(digits.unwrap_or(text.len()));
    let seconds: f64 = amount.parse().ok()?;
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let read = Duration::try_from_secs_f64(seconds * factor).ok()?;
    Some(read.min(LONGEST))
}

/// When a request has to be out of the line, if it says so.
#[must_use]
pub(super) fn ends_wait(deadline: Option<Deadline>) -> Option<Instant> {
    deadline.and_then(Deadline::ends_wait)
}

/// When the wait of a request ends at the latest, as things stand: by its own deadline or the
/// revision's bounds.
#[must_use]
pub(super) fn latest(
    bounds: &QueueLimits,
    (arrived, own): (Instant, Option<Instant>),
    warm_since: Option<Instant>,
    now: Instant,
) -> Instant {
    let latest = crate::admission::deadline(bounds, arrived, warm_since, now);
    own.map_or(latest, |own| own.min(latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_and_libraries_write_them() {
        let check = |text, want: Option<u64>| {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text}");
        };
        check("5s", Some(5_000));
        check("500ms", Some(500));
        check("2m", Some(120_000));
        check("600", Some(600_000));
        check("0.5", Some(500));
        check(" 7 ", Some(7_000));
        check("0", Some(0));
        for none in ["", "s", "-5", "5 s", "5d", "1e9", "1.2.3", "NaN", "inf"] {
            check(none, None);
        }
        assert_eq!(duration("99999999999999999"), Some(LONGEST));
    }
}
