//! What a pod waits for, in words for a person.

use std::sync::Arc;

use super::member::Member;
use super::trouble::told;
use crate::backend::kubernetes::objects::Stage;
use crate::ports::Hindrance;

/// How far a pod has come that takes no requests yet, and what it waits for.
pub(super) fn waits_for(member: &Member, port: u16) -> Arc<str> {
    let pod = &member.pod;
    let node = || match &pod.node {
        Some(node) => format!("on {node}, "),
        None => String::new(),
    };
    let told = match (&pod.stage, &member.hindrance) {
        (Stage::Unscheduled(_), Some((_, why))) => return Arc::clone(why),
        (Stage::Unscheduled(_), None) => "no node yet".into(),
        (Stage::Waiting(_), Some((Hindrance::Volume, why))) => format!("{}{why}", node()),
        (Stage::Waiting(Some(why)), _) if why.reason.contains("Image") => {
            format!("{}pulling image ({})", node(), told(why))
        }
        (Stage::Waiting(Some(why)), _) => format!("{}{}", node(), told(why)),
        _ if pod.ip.is_none() => format!("{}no IP yet", node()),
        (Stage::Waiting(None) | Stage::Running, _) => match &member.says {
            Some(says) => format!("{}{says}", node()),
            None => format!("{}nothing listens on port {port} yet", node()),
        },
    };
    told.into()
}

/// "1 request", "2 requests".
pub(super) fn many(n: u32, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
