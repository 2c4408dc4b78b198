//! Events that others tell of pods and of what makes them.

use std::time::SystemTime;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use serde::Deserialize;

use super::super::inventory::facts::{Fact, Matter, Said};
use super::super::objects::Obstruction;
use super::{Head, KindOf};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    metadata: Head,
    involved_object: About,
    #[serde(default)]
    reason: String,
    message: Option<String>,
    source: Option<Source>,
    reporting_component: Option<String>,
    first_timestamp: Option<Time>,
    last_timestamp: Option<Time>,
    event_time: Option<MicroTime>,
    series: Option<Series>,
}

#[derive(Deserialize)]
struct About {
    kind: Option<String>,
    uid: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    component: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    last_observed_time: Option<MicroTime>,
}

/// Most characters of a message that are kept.
const LONGEST: usize = 512;

/// An Event that says what keeps a pod, or that a node comes for it. One that is said again is the same
/// object with a later time.
pub(in super::super) fn said(_: &KindOf, text: &str) -> Result<Option<Fact>, serde_json::Error> {
    let raw: Raw = serde_json::from_str(text)?;
    let (at, by) = (raw.at(), raw.by().into());
    let Raw {
        metadata: head,
        involved_object: about,
        reason,
        message,
        ..
    } = raw;
    let is_of_pod = about.kind.as_deref() == Some("Pod");
    let matter = matter(&reason).filter(|matter| (*matter == Matter::Making) != is_of_pod);
    let (Some(uid), Some(matter)) = (about.uid, matter) else {
        return Ok(None);
    };
    let message = message.unwrap_or_default();
    Ok(Some(Fact::Said(Said {
        about: uid.into(),
        matter,
        by,
        words: Obstruction {
            reason,
            message: message.chars().take(LONGEST).collect(),
        },
        at,
        version: head.resource_version.parse().unwrap_or(0),
    })))
}

impl Raw {
    /// Who said it. Who tells an Event writes one of these names or both.
    fn by(&self) -> &str {
        let source = self.source.as_ref().and_then(|it| it.component.as_deref());
        let both = [source, self.reporting_component.as_deref()];
        let mut named = both.into_iter().flatten().filter(|name| !name.is_empty());
        named.next().unwrap_or_default()
    }

    /// When it was said last. Who tells an Event writes one of these times or another.
    fn at(&self) -> SystemTime {
        let series = self.series.as_ref();
        let again = series.and_then(|series| series.last_observed_time.as_ref());
        let micro = [again, self.event_time.as_ref()].into_iter().flatten();
        let whole = [&self.last_timestamp, &self.first_timestamp];
        let whole = whole.into_iter().flatten();
        let micro = micro.map(|time| SystemTime::from(time.0));
        let all = micro.chain(whole.map(|time| time.0.into()));
        all.max().unwrap_or_else(|| self.metadata.created())
    }
}

/// What an Event with this reason is about.
fn matter(reason: &str) -> Option<Matter> {
    Some(match reason {
        "TriggeredScaleUp" | "Nominated" => Matter::NodeComes,
        // The latter is watched where Karpenter says it: the scheduler's own is a pod's condition too.
        "NotTriggerScaleUp" | "FailedScheduling" => Matter::NoNodeComes,
        "FailedMount" | "FailedAttachVolume" => Matter::Volume,
        "FailedCreate" => Matter::Making,
        _ => return None,
    })
}
