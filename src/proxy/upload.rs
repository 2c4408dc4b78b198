//! A request's body on its way up to the replica.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::body::Cut;
use super::detach::detached;
use super::now;
use crate::counting::millis;

/// A request body on its way up: what was read ahead while the request waited, then the rest.
#[derive(Debug)]
pub(super) struct Upload {
    held: VecDeque<Bytes>,
    held_bytes: u64,
    trailers: Option<HeaderMap>,
    rest: Option<Incoming>,
    passed: u64,
    limit: Option<u64>,
    progress: Option<Arc<Progress>>,
}

/// How far an upload has come, for the one who waits for the answer to it.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// Milliseconds after `began` at which the last byte moved.
    last: AtomicU64,
    done: AtomicBool,
    too_large: AtomicBool,
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

    /// It was broken off because it was larger than allowed.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large.load(Relaxed)
    }
}

impl Upload {
    /// A body of which nothing was read yet.
    #[must_use]
    pub(super) fn new(body: Incoming, limit: Option<u64>) -> Self {
        let rest = Some(body).filter(|body| !http_body::Body::is_end_stream(body));
        Self {
            held: VecDeque::new(),
            held_bytes: 0,
            trailers: None,
            rest,
            passed: 0,
            limit,
            progress: None,
        }
    }

    /// Reads up to `budget` bytes ahead. Ready once there is nothing more to read, within the
    /// budget; `Pending` while the client has not sent it; the bytes newly held are told to `held`,
    /// which refuses more by answering false.
    pub(super) fn poll_read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        budget: u64,
        mut held: impl FnMut(u64) -> bool,
    ) -> Poll<Result<ReadAhead, Cut>> {
        while let Some(rest) = &mut self.rest {
            if self.held_bytes >= budget {
                return Poll::Ready(Ok(ReadAhead::Partial));
            }
            let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut *rest), cx));
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
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Poll::Ready(Ok(ReadAhead::Complete))
    }

    fn hold(&mut self, data: Bytes, held: &mut impl FnMut(u64) -> bool) -> Result<bool, Cut> {
        let bytes = data.len() as u64;
        self.held.push_back(detached(data));
        self.held_bytes += bytes;
        self.check_limit(self.held_bytes)?;
        Ok(held(bytes))
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
                too_large: AtomicBool::new(false),
            })
        });
        Some(Arc::clone(progress))
    }

    fn check_limit(&self, bytes: u64) -> Result<(), Cut> {
        match self.limit {
            Some(limit) if bytes > limit => {
                if let Some(progress) = &self.progress {
                    progress.too_large.store(true, Relaxed);
                }
                Err(Cut::TooLarge(limit))
            }
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
                .map(|trailers| Ok(Frame::trailers(trailers)));
            self.finished();
            return Poll::Ready(trailers);
        };
        match ready!(http_body::Body::poll_frame(Pin::new(rest), cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.moved(bytes)?;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(Cut::by_client(error)))),
            None => {
                self.rest = None;
                self.finished();
                Poll::Ready(None)
            }
        }
    }
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
