//! What people are told of the doors of a Service, as sentences.

use std::time::Duration;

use humantime::format_duration;

/// Where a Service is taken by an admission policy, because its controller sets back what others change.
const COMPONENT: &str = "deploy/kustomize/components/kserve-every-caller";

pub(super) fn shared(service: &str) -> String {
    format!(
        "Service {service} leads to pods of several workloads: whose its callers are, nobody knows"
    )
}

pub(super) fn no_service() -> String {
    "no Service leads to its pods".to_owned()
}

pub(super) fn no_number(service: &str) -> String {
    format!("no number is free for Service {service} (takeoverPorts): it leads past the gate")
}

pub(super) fn no_gateway(service: &str) -> String {
    format!(
        "no gateway listens for callers of Service {service}: it stays as it is, and its last pod too"
    )
}

pub(super) fn deaf() -> String {
    "Services and EndpointSlices are out of sight (a role may be missing): nothing is changed, and the \
     last pod stays"
        .to_owned()
}

pub(super) fn failed(what: &str, why: &str) -> String {
    format!("{what} could not be written: {why}")
}

pub(super) fn no_policy(service: &str) -> String {
    format!(
        "KServe keeps the selector of Service {service}, so callers of its name also reach pods past the \
         gate: the admission policy that takes it away is not there (kubectl apply -k {COMPONENT})"
    )
}

pub(super) fn set_back(service: &str, pause: Option<Duration>) -> String {
    let what = format!("somebody set back the selector of Service {service}");
    match pause {
        None => format!("{what}: taking it away again"),
        Some(pause) => format!(
            "{what} again and again: left as it is for {}, callers of its name also reach pods past the gate",
            format_duration(pause)
        ),
    }
}

pub(super) fn rewritten(what: &str, pause: Duration) -> String {
    format!(
        "somebody else, another installation perhaps, changes {what} again and again: left as it is for \
         {}, callers may be led elsewhere",
        format_duration(pause)
    )
}

pub(super) fn taken(service: &str) -> String {
    format!(
        "every caller of Service {service} passes the gate: its selector is kept in the annotation \
         holdgate.dev/selector"
    )
}

pub(super) fn not_given_back(service: &str) -> String {
    format!(
        "the selector of Service {service} is taken away again whenever it is given back: an admission \
         policy still matches ({COMPONENT})"
    )
}

pub(super) fn lost(service: &str) -> String {
    format!(
        "Service {service} has no selector of its own, and none is kept in the annotation \
         holdgate.dev/selector: write it by hand"
    )
}
