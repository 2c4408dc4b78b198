//! One call to the API server: bounded in time, and what it means when it fails.

use std::error::Error;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, GroupVersionKind, PatchParams, PostParams};

use super::seams::ApiError;

/// The longest one call may take: nobody who steers waits longer for a server that hangs.
pub(super) const LONGEST: Duration = Duration::from_secs(3);

/// Who writes, in the managed fields of what is written.
pub(super) const MANAGER: &str = "holdgate";

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What it means.
    pub(super) error: ApiError,
    /// The same call may succeed later, with nothing changed: the server is away, or too busy.
    pub(super) passing: bool,
    /// The status that the server answered with; `None` where it did not answer.
    pub(super) status: Option<u16>,
}

/// Waits for a call no longer than is good.
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(LONGEST, call).await {
        Ok(done) => done.map_err(|error| Failure::from(&error)),
        Err(_) => Err(Failure {
            error: ApiError::Unreachable(format!("no answer within {LONGEST:?}")),
            passing: true,
            status: None,
        }),
    }
}

/// A kind of objects by its API version, `apps/v1`, and by what one and several of them are called.
pub(super) fn kind_of(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

/// How things are patched.
pub(super) fn patching() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// How things are made and replaced.
pub(super) fn writing() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// A time as the API writes it.
pub(super) fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl From<&kube::Error> for Failure {
    fn from(error: &kube::Error) -> Self {
        let (error, passing, status) = match error {
            kube::Error::Api(status) => {
                let words = if status.message.is_empty() {
                    format!("status {} {}", status.code, status.reason)
                } else {
                    status.message.clone()
                };
                let code = status.code;
                let error = match code {
                    409 => ApiError::Conflict,
                    404 | 410 => ApiError::Gone,
                    403 => ApiError::Forbidden(words),
                    _ => ApiError::Refused(words),
                };
                (error, code == 429 || code >= 500, Some(code))
            }
            kube::Error::Service(error) => (ApiError::Unreachable(chain(&**error)), true, None),
            kube::Error::HyperError(error) => (ApiError::Unreachable(chain(error)), true, None),
            other => (ApiError::Refused(chain(other)), false, None),
        };
        Self {
            error,
            passing,
            status,
        }
    }
}

/// An error with everything that led to it: "client error" alone helps nobody.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
