//! What a watch asks the API server, each call bounded in time and size, and what may come of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use kube::Client;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Request;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::timeout;

use super::Watched;
use crate::backend::kubernetes::inventory::Named;
use crate::backend::kubernetes::read::{KindOf, head};
use crate::counting::count;

/// Objects asked for at once: with a hundred pods about a megabyte of text is in memory.
const PAGE: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(15);
/// A watch is there at once, and asked for again where it is not: who hangs may be gone.
const IMPATIENCE: Duration = Duration::from_secs(5);

/// Why something was not told.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such kind of object.
    #[error("the API server does not know this kind")]
    Absent,
    /// It is not allowed, in the API server's words.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// What was known is too old to go on from.
    #[error("what was known is too old to go on from")]
    Expired,
    /// The API server has too much to do, or is still coming up: it has said nothing of what was asked.
    #[error("the API server is too busy: {0}")]
    Busy(String),
    /// The API server answers, and not with what was asked for.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// Nobody answers.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
}

impl Trouble {
    pub(super) fn of_status(code: u16, message: &str) -> Self {
        match code {
            403 => Self::Forbidden(message.to_owned()),
            404 => Self::Absent,
            410 => Self::Expired,
            429 | 503 | 504 => Self::Busy(message.to_owned()),
            _ => Self::Refused(format!("{message} ({code})")),
        }
    }

    /// It says nothing of what was asked, and is over some time.
    pub(super) const fn passes(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy(_) | Self::Expired)
    }

    fn silence() -> Self {
        Self::Unreachable("it did not answer in time".to_owned())
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status.code, &status.message),
            // Somebody answers, who is no API server or a broken one.
            kube::Error::SerdeError(error) => Self::Refused(error.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Where the objects of a kind are.
pub(super) fn path(kind: &KindOf, namespace: Option<&str>) -> String {
    let root = if kind.group().is_empty() {
        "api"
    } else {
        "apis"
    };
    let inner = namespace.map_or_else(String::new, |it| format!("/namespaces/{it}"));
    format!("/{root}/{}{inner}/{}", kind.api_version, kind.plural)
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageHead,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageHead {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// Everything there is, and as of which version.
pub(super) async fn list(
    client: &Client,
    watched: &Watched,
) -> Result<(Vec<Named>, String), Trouble> {
    let request = Request::new(path(&watched.kind, watched.namespace.as_deref()));
    let mut params = ListParams::default().limit(PAGE);
    params.field_selector.clone_from(&watched.fields);
    params.label_selector = watched.labels.map(str::to_owned);
    let mut all = Vec::new();
    loop {
        let asked = request
            .list(&params)
            .map_err(|it| Trouble::Refused(it.to_string()))?;
        let text = timeout(PATIENCE, client.request_text(asked)).await;
        let text = text.map_err(|_| Trouble::silence())??;
        let page: Page =
            serde_json::from_str(&text).map_err(|error| Trouble::Refused(error.to_string()))?;
        let items = page.items.iter().flatten();
        all.extend(items.filter_map(|item| kept(watched, item.get())));
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => params.continue_token = Some(next),
            None => return Ok((all, page.metadata.resource_version.unwrap_or_default())),
        }
    }
}

/// What happens from a version on.
pub(super) async fn follow(
    client: &Client,
    watched: &Watched,
    version: &str,
    lasting: Duration,
) -> Result<impl Stream<Item = kube::Result<WatchEvent<Box<RawValue>>>> + use<>, Trouble> {
    let request = Request::new(path(&watched.kind, watched.namespace.as_deref()));
    let mut params = WatchParams::default().timeout(count(lasting.as_secs()));
    params.field_selector.clone_from(&watched.fields);
    params.label_selector = watched.labels.map(str::to_owned);
    let asked = request
        .watch(&params, version)
        .map_err(|it| Trouble::Refused(it.to_string()))?;
    let events = timeout(IMPATIENCE, client.request_events(asked)).await;
    Ok(events.map_err(|_| Trouble::silence())??)
}

/// How the API calls the objects of a kind that a person has named. Where it may not be asked, as
/// nearly all of them are called.
pub(super) async fn find(client: &Client, kind: &KindOf) -> Result<KindOf, Trouble> {
    let resources = async {
        if kind.group().is_empty() {
            client.list_core_api_resources(&kind.api_version).await
        } else {
            client.list_api_group_resources(&kind.api_version).await
        }
    };
    let resources = match timeout(PATIENCE, resources)
        .await
        .map_err(|_| Trouble::silence())?
    {
        Ok(resources) => resources.resources,
        Err(error) => {
            return match Trouble::from(error) {
                Trouble::Forbidden(_) => Ok(kind.clone()),
                trouble => Err(trouble),
            };
        }
    };
    let scaled = |name: &str| {
        resources
            .iter()
            .any(|it| it.name == format!("{name}/scale"))
    };
    let mut named = resources
        .iter()
        .filter(|it| *it.kind == *kind.kind && it.namespaced);
    let found = named.find(|it| scaled(&it.name)).ok_or(Trouble::Absent)?;
    Ok(KindOf {
        plural: found.name.as_str().into(),
        ..kind.clone()
    })
}

/// What is kept of an object. One that cannot be read is left out, and does not keep the others from
/// being seen.
pub(super) fn kept(watched: &Watched, text: &str) -> Option<Named> {
    let fact = (watched.read)(&watched.kind, text);
    let read = fact.and_then(|fact| Ok((fact, head(text)?)));
    match read {
        Ok((fact, head)) => Some(Named {
            namespace: Arc::from(head.namespace),
            name: Arc::from(head.name),
            fact: fact?,
        }),
        Err(error) => {
            let named = head(text).map(|head| format!("{}/{}", head.namespace, head.name));
            tracing::warn!(
                kind = &*watched.kind.kind,
                object = named.unwrap_or_default(),
                %error,
                "cannot read an object of the cluster, and leave it out"
            );
            None
        }
    }
}
