//! The third step: a connection to the replica of the slot, or to another where that one cannot be
//! reached; and the exchange on it, from there on.

use std::io;
use std::sync::Arc;

use http::Response;

use super::admit::{Admitted, Entry, admit_elsewhere};
use super::beside::LOAD;
use super::body::Body;
use super::client::Client;
use super::connect::{Dial, Target, connect, connect_anew, probe_back_in};
use super::error::Refusal;
use super::forward::{Connected, Failed, forward};
use super::{Proxy, now};

impl<D: Dial> Proxy<D> {
    /// What the replica of its slot answers, once it has one.
    pub(super) async fn answer(
        &self,
        client: &Client,
        entry: Result<Entry<'_>, Refusal>,
    ) -> Result<Response<Body>, Refusal> {
        let mut admitted = match entry? {
            Entry::Now(admitted) => admitted,
            Entry::Later(wait) => wait.await?,
        };
        loop {
            let connected = self.reach(admitted, client).await?;
            match forward(connected, now()).await {
                Ok(response) => return Ok(response),
                Err(Failed::Stale(again)) => admitted = again,
                Err(Failed::TurnedAway(again)) => {
                    let cause = io::ErrorKind::ConnectionReset.into();
                    admitted = self.elsewhere(again, cause, client).await?;
                }
                Err(Failed::Sent(refusal)) => return Err(refusal),
            }
        }
    }

    /// A connection for an admitted request: to its replica, or to another if that one cannot be
    /// reached.
    async fn reach(&self, mut admitted: Admitted, client: &Client) -> Result<Connected, Refusal> {
        loop {
            let replica = Arc::clone(admitted.permit.replica());
            let revision = &admitted.errand.revision;
            let target = Target {
                replica: &replica,
                tls: revision.tls.as_ref(),
                budget: revision.spec.timeouts.connect,
            };
            let connected = if admitted.errand.upgrade.is_some() {
                connect_anew(&self.dial, target, now()).await
            } else {
                let http2 = admitted.errand.goes_by_http2();
                connect(&self.dial, target, http2, now()).await
            };
            match connected {
                Ok(connection) => {
                    if let Some(mark) = &self.mark {
                        let headers = admitted.errand.request.headers_mut();
                        headers.insert(&LOAD, mark.clone());
                    }
                    return Ok(Connected {
                        admitted,
                        connection,
                    });
                }
                Err(cause) => admitted = self.elsewhere(admitted, cause, client).await?,
            }
        }
    }

    /// Another slot for a request whose replica could not be reached.
    async fn elsewhere(
        &self,
        mut admitted: Admitted,
        cause: io::Error,
        client: &Client,
    ) -> Result<Admitted, Refusal> {
        let replica = Arc::clone(admitted.permit.replica());
        let throttler = Arc::clone(admitted.permit.throttler());
        tracing::debug!(%cause, replica = %replica.id, "could not connect to a replica");
        admitted.errand.goes_on_in(&self.registry);
        let (id, speech) = (
            admitted.errand.revision.spec.id.clone(),
            admitted.errand.speech(),
        );
        let registry = Arc::clone(&self.registry);
        let tls = move || {
            let revision = registry.by_name(&id)?;
            revision.tls.clone().map(|tls| (tls, speech))
        };
        let unreachable = admitted.rebuffed(cause);
        probe_back_in(self.dial.clone(), throttler, replica, tls);
        match admit_elsewhere(unreachable, client)? {
            Entry::Now(admitted) => Ok(admitted),
            Entry::Later(wait) => wait.await,
        }
    }
}
