//! Finds the revision of the model in a request's body, where nothing else decides. The body is read
//! no further than needed and goes on from its beginning.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::header::CONTENT_ENCODING;
use http::{Method, Request};

use super::error::Refusal;
use super::rescue::Form;
use super::route::no_route;
use super::upload::{ReadAhead, Upload};
use super::{Registry, Revision, now};
use crate::admission::Full;
use crate::model_scan::{Goal, ModelScan, Progress, Wrong};
use crate::revision::{OverloadStatus, RevisionId};
use crate::stats::{Codes, Stats};

/// A client has so long to send what decides.
const IN_TIME: Duration = Duration::from_secs(30);

/// All bodies together hold so many times what one may.
const AT_ONCE: u64 = 256;

/// The ends of paths whose bodies are forms.
const FORMS: [&str; 2] = ["/audio/transcriptions", "/audio/translations"];

/// What may be read of bodies to find their models.
#[derive(Debug)]
pub(super) struct Scans {
    /// Most bytes of one.
    budget: u64,
    /// Bytes held for all of them.
    held: AtomicU64,
}

impl Scans {
    pub(super) fn new(budget: u64) -> Arc<Self> {
        let held = AtomicU64::new(0);
        Arc::new(Self { budget, held })
    }
}

/// A post to one of the paths whose bodies are JSON with a model.
pub(super) fn may_name_a_model<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST
        && Form::of_path(path) == Form::OpenAi
        && !FORMS.iter().any(|form| path.ends_with(form))
}

/// The revision of the model in the body. With `Goal::Only` nobody else can be meant, whoever reads it.
pub(super) async fn find(
    registry: &Registry,
    request: &mut Request<Upload>,
    scans: &Scans,
    goal: Goal,
) -> Result<Arc<Revision>, Refusal> {
    let refuse = |request: &Request<Upload>, looked: String| {
        let nobody = no_route(request);
        Refusal::Unnamed(format!("{nobody}; {looked}"))
    };
    if scans.budget == 0 {
        return Err(no_route(request));
    }
    if let Some(encoding) = encoding(request) {
        let looked = format!("its body is encoded ({encoding}) and was not looked at");
        return Err(refuse(request, looked));
    }
    let read = read(request.body_mut(), scans, goal);
    let Ok(read) = tokio::time::timeout(IN_TIME, read).await else {
        return Err(Refusal::BodyTimeout(IN_TIME));
    };
    match read? {
        Ok(Some(model)) => named(registry, &model).ok_or_else(|| {
            refuse(
                request,
                format!("its body asks for model {model:?}, which nobody has"),
            )
        }),
        Ok(None) => Err(refuse(request, "its body names no model".to_owned())),
        Err(Unread::Wrong(wrong)) => Err(refuse(request, format!("its body {wrong}"))),
        Err(Unread::TooFar) => {
            let budget = scans.budget;
            let looked = format!("no model stands in the first {budget} bytes of its body");
            Err(refuse(request, looked))
        }
    }
}

/// Whoever has the model; one that names no models is listed by its own name.
fn named(registry: &Registry, model: &str) -> Option<Arc<Revision>> {
    registry.by_model(model).or_else(|| {
        let found = registry.by_name(&RevisionId::new(model))?;
        found.spec.models.is_empty().then_some(found)
    })
}

fn encoding<B>(request: &Request<B>) -> Option<String> {
    let encoding = request.headers().get(CONTENT_ENCODING)?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
    (!encoding.trim().eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// A body that is being read. Dropped before that is over, its client has left.
pub(super) struct Reading<'a>(Option<(&'a Stats, Instant)>);

impl<'a> Reading<'a> {
    pub(super) fn new(unrouted: &'a Stats, arrived: Instant) -> Self {
        Self(Some((unrouted, arrived)))
    }

    pub(super) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some((unrouted, arrived)) = self.0 {
            let took = now().saturating_duration_since(arrived);
            unrouted.answered(Codes::CLIENT_CLOSED, took);
        }
    }
}

/// Why no model was found.
enum Unread {
    Wrong(Wrong),
    TooFar,
}

async fn read(
    upload: &mut Upload,
    scans: &Scans,
    goal: Goal,
) -> Result<Result<Option<String>, Unread>, Refusal> {
    let mut scan = ModelScan::new(goal);
    let mut held = Held { scans, bytes: 0 };
    let mut progress = Ok(Progress::More);
    let mut crowded = false;
    let read = poll_fn(|cx| {
        upload.poll_read_ahead(cx, scans.budget, |piece| {
            crowded = !held.more(piece.len() as u64);
            progress = scan.feed(piece);
            !crowded && progress == Ok(Progress::More)
        })
    });
    let read = read.await.map_err(|cut| Refusal::from(&cut))?;
    if crowded {
        return Err(Refusal::QueueFull {
            full: Full::AllBytes,
            status: OverloadStatus::TooManyRequests,
            estimate: None,
        });
    }
    let found = match (read, progress) {
        (_, Err(wrong)) => Err(Unread::Wrong(wrong)),
        (_, Ok(Progress::Enough)) => Ok(()),
        (ReadAhead::Complete, Ok(Progress::More)) => scan.finish().map_err(Unread::Wrong),
        (_, Ok(Progress::More)) => Err(Unread::TooFar),
    };
    Ok(found.map(|()| scan.model().map(str::to_owned)))
}

/// What one body holds of what all of them may.
struct Held<'a> {
    scans: &'a Scans,
    bytes: u64,
}

impl Held<'_> {
    /// False: that is too much.
    fn more(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let before = self.scans.held.fetch_add(bytes, Relaxed);
        before + bytes <= self.scans.budget.saturating_mul(AT_ONCE)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.scans.held.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_hold_no_more_than_they_may() {
        let scans = Scans::new(4);
        let mut first = Held {
            scans: &scans,
            bytes: 0,
        };
        assert!(first.more(4 * AT_ONCE - 1));
        let mut second = Held {
            scans: &scans,
            bytes: 0,
        };
        assert!(second.more(1));
        assert!(!second.more(1));
        drop(first);
        assert!(second.more(1));
        drop(second);
        assert_eq!(scans.held.load(Relaxed), 0);
    }
}
