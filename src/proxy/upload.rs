//! A request's body on its way up to the replica.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::body::Cut;
use super::detach::detached;
use super::now;
use super::waiting::Bystander;
use crate::counting::millis;

/// A request body on its way up: what was read ahead while the request waited, then the rest.
#[derive(Debug)]
pub(super) struct Upload {
    held: VecDeque<Bytes>,
    held_bytes: u64,
    /// On the heap: a request is moved from step to step, and few have any.
    trailers: Option<Box<HeaderMap>>,
    rest: Option<Incoming>,
    /// A stream of HTTP/2: hyper ends one that its client has reset without an error like any other.
    is_stream: bool,
    passed: u64,
    limit: Option<u64>,
    progress: Option<Arc<Progress>>,
    begun: Begun,
    /// Who hears what it says, as far as it was read.
    bystander: Option<Arc<Bystander>>,
}

/// Told when the first piece is asked for.
#[derive(Default)]
struct Begun(Option<Box<dyn FnOnce() + Send + Sync>>);

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Begun").finish_non_exhaustive()
    }
}

/// How far an upload has come, for the one who waits for the answer to it.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// Milliseconds after `began` at which the last byte moved.
    last: AtomicU64,
    done: AtomicBool,
}

impl Progress {
    /// When the last byte moved.
    pub(super) fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Relaxed))
    }

    /// The body has been sent to its end.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Relaxed)
    }
}

impl Upload {
    /// A body of which nothing was read yet.
    #[must_use]
    pub(super) fn new(body: Incoming, version: Version) -> Self {
        let rest = Some(body).filter(|body| !http_body::Body::is_end_stream(body));
        Self {
            held: VecDeque::new(),
            held_bytes: 0,
            trailers: None,
            rest,
            is_stream: version == Version::HTTP_2,
            passed: 0,
            limit: None,
            progress: None,
            begun: Begun::default(),
            bystander: None,
        }
    }

    /// Tells, when the body is sent, that its first piece is asked for.
    pub(super) fn when_begun(&mut self, tell: impl FnOnce() + Send + Sync + 'static) {
        self.begun = Begun(Some(Box::new(tell)));
    }

    /// The same body once more, if all of it is held.
    pub(super) fn spare(&self) -> Option<Self> {
        if !self.is_whole() {
            return None;
        }
        Some(Self {
            held: self.held.clone(),
            held_bytes: self.held_bytes,
            trailers: self.trailers.clone(),
            rest: None,
            is_stream: self.is_stream,
            passed: 0,
            limit: self.limit,
            progress: None,
            begun: Begun::default(),
            bystander: self.bystander.clone(),
        })
    }

    /// No more than so many bytes are let through. False: more are here already.
    #[must_use]
    pub(super) fn limit(&mut self, limit: Option<u64>) -> bool {
        self.limit = limit;
        limit.is_none_or(|limit| self.held_bytes <= limit)
    }

    /// All of it is held.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// From now on somebody hears what it says, and first what was read of it already.
    pub(super) fn is_heard_by(&mut self, bystander: Arc<Bystander>) {
        for piece in &self.held {
            bystander.hears(piece);
        }
        self.bystander = Some(bystander);
    }

    /// Who hears what it says.
    pub(super) fn bystander(&self) -> Option<&Arc<Bystander>> {
        self.bystander.as_ref()
    }

    /// Reads up to `budget` bytes ahead. Ready once there is nothing more to read, within the
    /// budget; `Pending` while the client has not sent it; what is newly held is told to `held`, which
    /// refuses more by answering false.
    pub(super) fn poll_read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        budget: u64,
        mut held: impl FnMut(&[u8]) -> bool,
    ) -> Poll<Result<ReadAhead, Cut>> {
        while let Some(rest) = &mut self.rest {
            if self.held_bytes >= budget {
                return Poll::Ready(Ok(ReadAhead::Partial));
            }
            let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut *rest), cx));
            if frame.is_none() && is_unended(rest, self.is_stream) {
                return Poll::Ready(Err(Cut::Unended));
            }
            if frame.is_none() || http_body::Body::is_end_stream(rest) {
                self.rest = None;
            }
            let Some(frame) = frame else { break };
            match frame.map_err(Cut::by_client)?.into_data() {
                Ok(data) => {
                    if !self.hold(data, &mut held)? {
                        return Poll::Ready(Ok(ReadAhead::Refused));
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Poll::Ready(Ok(ReadAhead::Complete))
    }

    fn hold(&mut self, data: Bytes, held: &mut impl FnMut(&[u8]) -> bool) -> Result<bool, Cut> {
        if let Some(bystander) = &self.bystander {
            bystander.hears(&data);
        }
        self.held_bytes += data.len() as u64;
        self.check_limit(self.held_bytes)?;
        let goes_on = held(&data);
        self.held.push_back(detached(data));
        Ok(goes_on)
    }

    /// Bytes read ahead and not yet sent.
    #[must_use]
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Watches the body from now on; `None` if there is nothing to send.
    pub(super) fn track(&mut self, now: Instant) -> Option<Arc<Progress>> {
        if http_body::Body::is_end_stream(self) {
            return None;
        }
        let progress = self.progress.get_or_insert_with(|| {
            Arc::new(Progress {
                began: now,
                last: AtomicU64::new(0),
                done: AtomicBool::new(false),
            })
        });
        Some(Arc::clone(progress))
    }

    fn check_limit(&self, bytes: u64) -> Result<(), Cut> {
        match self.limit {
            Some(limit) if bytes > limit => Err(Cut::TooLarge(limit)),
            _ => Ok(()),
        }
    }

    fn moved(&mut self, bytes: u64) -> Result<(), Cut> {
        self.passed += bytes;
        if let Some(progress) = &self.progress {
            let now = now();
            let after = now.saturating_duration_since(progress.began);
            progress.last.store(millis(after), Relaxed);
        }
        self.check_limit(self.passed)?;
        if http_body::Body::is_end_stream(self) {
            self.finished();
        }
        Ok(())
    }

    fn finished(&self) {
        if let Some(progress) = &self.progress {
            progress.done.store(true, Relaxed);
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(rest) = &mut self.rest else {
            let trailers = self
                .trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(*trailers)));
            self.finished();
            return Poll::Ready(trailers);
        };
        match ready!(http_body::Body::poll_frame(Pin::new(rest), cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let (Some(bystander), Some(data)) = (&self.bystander, frame.data_ref()) {
                    bystander.hears(data);
                }
                self.moved(bytes)?;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(Cut::by_client(error)))),
            None if is_unended(rest, self.is_stream) => Poll::Ready(Some(Err(Cut::Unended))),
            None => {
                self.rest = None;
                self.finished();
                Poll::Ready(None)
            }
        }
    }
}

/// A body of which nothing more comes has not come to its end.
fn is_unended(body: &Incoming, is_stream: bool) -> bool {
    is_stream && !http_body::Body::is_end_stream(body)
}

/// How far reading ahead came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadAhead {
    /// The whole body is held; hyper watches the connection by itself.
    Complete,
    /// The budget is used up and the body goes on.
    Partial,
    /// There is no room for what was read.
    Refused,
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        if let Some(tell) = this.begun.0.take() {
            tell();
        }
        match this.held.pop_front() {
            Some(bytes) => {
                this.held_bytes -= bytes.len() as u64;
                this.moved(bytes.len() as u64)?;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None => this.poll_rest(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = self
            .rest
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream);
        self.held.is_empty() && self.trailers.is_none() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held_bytes;
        let rest = self
            .rest
            .as_ref()
            .map_or(SizeHint::with_exact(0), http_body::Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(held + rest.lower());
        if let (Some(upper), None) = (rest.upper(), &self.trailers) {
            hint.set_upper(held + upper);
        }
        hint
    }
}
