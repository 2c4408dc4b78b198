//! One look over the network.

use std::fmt::Debug;
use std::sync::Arc;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::client::conn::http1;

use super::{Check, How, Verdict, grpc};
use crate::backend::probe;

/// Looks once. A seam: tests tell what is seen.
pub trait Looker: Clone + Debug + Send + Sync + 'static {
    /// What is seen. Dropped when it takes too long.
    fn look(&self, check: &Check) -> impl Future<Output = Verdict> + Send;
}

/// Looks over TCP.
#[derive(Clone, Copy, Debug)]
pub struct NetLooker;

impl Looker for NetLooker {
    async fn look(&self, check: &Check) -> Verdict {
        let stream = probe::connect(check.at).await;
        let stream = stream.map_err(|error| why(format!("cannot connect: {error}")))?;
        match &check.how {
            How::Tcp => Ok(()),
            How::Http { path, headers } => {
                let mut question = probe::question(check.at, path, "kube-probe/holdgate");
                let asked = question.headers_mut();
                for (name, value) in headers {
                    asked.insert(name, value.clone());
                }
                // Whatever the headers of a check say: it is a connection of its own.
                asked.insert(CONNECTION, HeaderValue::from_static("close"));
                let answer = probe::ask(&http1::Builder::new(), stream, question).await;
                let answer = answer.map_err(|e| why(format!("GET {path}: {e}")))?;
                let status = answer.status;
                // Closing in the middle of its answer would look like an error in the server's log.
                tokio::spawn(answer.body());
                match status.as_u16() {
                    200..=399 => Ok(()),
                    _ => Err(why(format!("answers GET {path} with {status}"))),
                }
            }
            How::Grpc { service } => grpc::check(stream, check.at, service).await,
        }
    }
}

pub(super) fn why(text: String) -> Arc<str> {
    text.into()
}
