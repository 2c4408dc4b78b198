//! What an autoscaler reads of the requests that are there, wherever they are counted.

use std::future::Future;

use crate::throttler::{Kept, Sample, Throttler};
use crate::trace::Tape;

/// The demand on one revision: at one throttler, or at those of several gateways together.
pub trait Demand: Send + Sync + 'static {
    /// What was measured since the last sample; the next one begins here.
    fn sample(&self) -> Sample;
    /// The present demand, without ending the sample that is being measured.
    fn peek(&self) -> Sample;
    /// Waits until somebody is in line and no replica serves.
    fn poked(&self) -> impl Future<Output = ()> + Send;
    /// So many replicas are enough (`None`: all of them are wanted): the others take a request only
    /// where no other can, until they are idle.
    fn rest(&self, enough: Option<u32>);
    /// Where what happens to this revision is noted.
    fn tape(&self) -> &Tape;
}

impl<C: Kept + Send + Sync + 'static> Demand for Throttler<C> {
    fn sample(&self) -> Sample {
        Self::sample(self)
    }

    fn peek(&self) -> Sample {
        Self::peek(self)
    }

    async fn poked(&self) {
        Self::poked(self).await;
    }

    fn rest(&self, enough: Option<u32>) {
        Self::rest(self, enough);
    }

    fn tape(&self) -> &Tape {
        Self::tape(self)
    }
}
