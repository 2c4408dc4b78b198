//! What others said, as their Events have it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::read;
use crate::backend::kubernetes::inventory::facts::{Fact, Matter, Said};
use crate::backend::kubernetes::objects::Obstruction;
use crate::backend::kubernetes::read::said;

/// As Cluster Autoscaler tells it.
fn event() -> Value {
    json!({
        "metadata": {
            "name": "flowers-7d9-x2x.18a0", "namespace": "default", "uid": "e1",
            "resourceVersion": "1207", "creationTimestamp": "2026-11-22T07:00:00Z"
        },
        "involvedObject": {
            "kind": "Pod", "namespace": "default", "name": "flowers-7d9-x2x", "uid": "p1",
            "apiVersion": "v1", "resourceVersion": "1199"
        },
        "reason": "TriggeredScaleUp",
        "message": "pod triggered scale-up: [{gpus 1->2 (max: 5)}]",
        "source": {"component": "cluster-autoscaler"},
        "firstTimestamp": "2026-11-22T07:00:00Z", "lastTimestamp": "2026-11-22T07:00:00Z",
        "count": 1, "type": "Normal", "eventTime": null,
        "reportingComponent": "cluster-autoscaler", "reportingInstance": ""
    })
}

fn of(event: &Value) -> Option<Said> {
    match read(said, "v1", "Event", event) {
        Some(Fact::Said(said)) => Some(said),
        None => None,
        other => panic!("nothing was said: {other:?}"),
    }
}

/// So long after seven o'clock.
fn after(length: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_330_800) + length
}

#[test]
fn what_is_said_of_a_node_for_a_pod_is_kept() {
    let want = Said {
        about: "p1".into(),
        matter: Matter::NodeComes,
        by: "cluster-autoscaler".into(),
        words: Obstruction {
            reason: "TriggeredScaleUp".into(),
            message: "pod triggered scale-up: [{gpus 1->2 (max: 5)}]".into(),
        },
        at: after(Duration::ZERO),
        version: 1207,
    };
    assert_eq!(of(&event()), Some(want));
}

#[test]
fn its_reason_says_what_it_is_about() {
    //   reason, kind of object => what
    let cases = [
        ("NotTriggerScaleUp", "Pod", Some(Matter::NoNodeComes)),
        ("FailedScheduling", "Pod", Some(Matter::NoNodeComes)),
        ("Nominated", "Pod", Some(Matter::NodeComes)),
        ("Nominated", "Node", None),
        ("FailedMount", "Pod", Some(Matter::Volume)),
        ("FailedAttachVolume", "Pod", Some(Matter::Volume)),
        ("FailedCreate", "StatefulSet", Some(Matter::Making)),
        ("FailedCreate", "Pod", None),
        ("Pulled", "Pod", None),
    ];
    for (reason, kind, want) in cases {
        let mut event = event();
        event["reason"] = json!(reason);
        event["involvedObject"]["kind"] = json!(kind);
        assert_eq!(of(&event).map(|said| said.matter), want, "{reason}");
    }
    let mut nobody = event();
    nobody["involvedObject"] = json!({"kind": "Pod"});
    assert_eq!(of(&nobody), None);
}

#[test]
fn who_said_it_is_told_in_one_of_two_ways() {
    //   in the old way, in the new way => who
    let cases = [
        ("karpenter", "", "karpenter"),
        ("", "karpenter", "karpenter"),
        ("old", "new", "old"),
        ("", "", ""),
    ];
    for (source, reporting, want) in cases {
        let mut event = event();
        event["source"] = json!({"component": source});
        event["reportingComponent"] = json!(reporting);
        assert_eq!(of(&event).expect("it was said").by, want.into());
    }
    let mut nobody = event();
    (nobody["source"], nobody["reportingComponent"]) = (json!(null), json!(null));
    assert_eq!(of(&nobody).expect("it was said").by, "".into());
}

#[test]
fn it_was_said_when_it_was_said_last_however_that_is_written() {
    let mut event = event();
    event["count"] = json!(2);
    event["lastTimestamp"] = json!("2026-11-22T07:01:00Z");
    assert_eq!(
        of(&event).map(|it| it.at),
        Some(after(Duration::from_secs(60)))
    );
    for old in ["firstTimestamp", "lastTimestamp"] {
        event[old] = json!(null);
    }
    event["eventTime"] = json!("2026-11-22T07:00:02.250000Z");
    let micro = after(Duration::from_millis(2250));
    assert_eq!(of(&event).map(|it| it.at), Some(micro));
    event["series"] = json!({"count": 3, "lastObservedTime": "2026-11-22T07:05:00.000000Z"});
    assert_eq!(
        of(&event).map(|it| it.at),
        Some(after(Duration::from_secs(300)))
    );
    event["series"] = json!(null);
    event["eventTime"] = json!(null);
    assert_eq!(of(&event).map(|it| it.at), Some(after(Duration::ZERO)));
}

#[test]
fn of_a_long_message_only_the_beginning_is_kept() {
    let mut event = event();
    event["message"] = json!("é".repeat(1024));
    let message = of(&event).expect("it is kept").words.message;
    assert_eq!(message.chars().count(), 512);
}
