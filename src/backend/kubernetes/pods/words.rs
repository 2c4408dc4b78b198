//! What a pod waits for, in words for a person.

use super::hindrance::keeps;
use super::member::Member;
use super::trouble::told;
use crate::backend::kubernetes::objects::Stage;
use crate::ports::Hindrance;

/// How far a pod has come that takes no requests yet, and what it waits for.
pub(super) fn waits_for(member: &Member, port: u16) -> String {
    let pod = &member.pod;
    let node = || match &pod.node {
        Some(node) => format!("on {node}, "),
        None => String::new(),
    };
    match (&pod.stage, keeps(pod, false)) {
        (Stage::Unscheduled(_), kept) => kept.map_or_else(|| "no node yet".into(), |(_, why)| why),
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
    }
}

/// "1 request", "2 requests".
pub(super) fn many(n: u32, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
