//! What keeps a pod, one line for each case.

use std::time::SystemTime;

use super::*;
use crate::backend::kubernetes::objects::samples;

const GPUS: &str = "0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, 2 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 No preemption victims found.";
const CLAIMS: &str = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";

fn said(reason: &str, message: &str) -> Obstruction {
    Obstruction {
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn pod(stage: Stage) -> PodView {
    PodView {
        stage,
        ..samples::pod("1", "flowers-1", SystemTime::UNIX_EPOCH)
    }
}

fn unscheduled(message: &str, word: Option<NodeWord>) -> PodView {
    PodView {
        node_word: word,
        ..pod(Stage::Unscheduled(Some(said("Unschedulable", message))))
    }
}

fn word(coming: bool, reason: &str, message: &str) -> NodeWord {
    NodeWord {
        coming,
        said: said(reason, message),
        at: SystemTime::UNIX_EPOCH,
    }
}

fn triggered() -> NodeWord {
    word(
        true,
        "TriggeredScaleUp",
        "pod triggered scale-up: [{gpus 1->2 (max: 5)}]",
    )
}

fn refused_node() -> NodeWord {
    let message = "pod didn't trigger scale-up: 1 max node group size reached";
    word(false, "NotTriggerScaleUp", message)
}

#[track_caller]
fn check(pod: &PodView, want: Option<(Hindrance, &str)>) {
    let want = want.map(|(by, sentence)| (by, sentence.into()));
    assert_eq!(keeps(pod), want);
}

#[test]
fn a_pod_without_a_node_is_kept_by_what_is_said_of_nodes() {
    let lacks =
        "no node fits: 2 of 3 nodes lack free nvidia.com/gpu, 1 had untolerated taint {a: b}";
    check(
        &unscheduled(GPUS, None),
        Some((Hindrance::Unschedulable, lacks)),
    );
    let comes =
        "a node is on its way (TriggeredScaleUp: pod triggered scale-up: [{gpus 1->2 (max: 5)}])";
    check(
        &unscheduled(GPUS, Some(triggered())),
        Some((Hindrance::NodeComing, comes)),
    );
    let none_comes = "no node comes (NotTriggerScaleUp: pod didn't trigger scale-up: 1 max node group size reached)";
    check(
        &unscheduled(GPUS, Some(refused_node())),
        Some((Hindrance::NotTriggered, &format!("{lacks}; {none_comes}"))),
    );
    let unasked = PodView {
        node_word: Some(refused_node()),
        ..pod(Stage::Unscheduled(None))
    };
    check(&unasked, Some((Hindrance::NotTriggered, none_comes)));
    check(&pod(Stage::Unscheduled(None)), None);
    let said_so = "Scheduling is blocked due to non-empty scheduling gates";
    let shut = pod(Stage::Unscheduled(Some(said("SchedulingGated", said_so))));
    let gated = format!("held back before a node is looked for (SchedulingGated: {said_so})");
    check(&shut, Some((Hindrance::Unschedulable, &gated)));
}

#[test]
fn room_that_is_made_counts_whatever_is_said_of_nodes() {
    let room = "room is on its way on node-7 (its nominatedNodeName)";
    for word in [None, Some(refused_node()), Some(triggered())] {
        let nominated = PodView {
            nominated: Some("node-7".into()),
            ..unscheduled(GPUS, word)
        };
        check(&nominated, Some((Hindrance::NodeComing, room)));
    }
    let placed = PodView {
        nominated: Some("node-7".into()),
        ..pod(Stage::Waiting(None))
    };
    check(&placed, None);
}

#[test]
fn devices_that_are_claimed_are_nodes_that_lack() {
    let claims = "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    let want = "no node fits: 2 of 2 nodes lack devices that it claims";
    check(
        &unscheduled(claims, None),
        Some((Hindrance::Unschedulable, want)),
    );
    let waits = "waiting for resourceclaim \"gpu\" to be created";
    check(
        &unscheduled(waits, None),
        Some((Hindrance::Unschedulable, &format!("no node fits: {waits}"))),
    );
}

#[test]
fn a_volume_keeps_a_pod_before_and_after_it_has_a_node() {
    let unbound = "waits for a volume: pod has unbound immediate PersistentVolumeClaims";
    for word in [None, Some(refused_node())] {
        let waits = unscheduled(CLAIMS, word);
        check(&waits, Some((Hindrance::Volume, unbound)));
    }
    let node = "a node is on its way (Nominated: Pod should schedule on: nodeclaim/gpus)";
    let nominated = word(true, "Nominated", "Pod should schedule on: nodeclaim/gpus");
    check(
        &unscheduled(CLAIMS, Some(nominated)),
        Some((Hindrance::NodeComing, node)),
    );
    let mounts = |stage| PodView {
        volume_word: Some(said("FailedMount", "timed out")),
        ..pod(stage)
    };
    let timed_out = "waits for a volume (FailedMount: timed out)";
    let before = [
        None,
        Some(said("ContainerCreating", "")),
        Some(said("PodInitializing", "")),
    ];
    for why in before {
        let waits = mounts(Stage::Waiting(why));
        check(&waits, Some((Hindrance::Volume, timed_out)));
    }
    let after = [
        Stage::Waiting(Some(said("PodInitializing", "init container get runs"))),
        Stage::Waiting(Some(said("CreateContainerConfigError", "no secret"))),
        Stage::Running,
    ];
    for stage in after {
        check(&mounts(stage), None);
    }
}

#[test]
fn an_image_that_cannot_be_had_keeps_a_pod() {
    let cases = [
        ("ErrImagePull", "not found", "ErrImagePull: not found"),
        ("ImagePullBackOff", "", "ImagePullBackOff"),
        ("InvalidImageName", "", "InvalidImageName"),
        ("ErrImageNeverPull", "", "ErrImageNeverPull"),
        ("RegistryUnavailable", "", "RegistryUnavailable"),
        ("SignatureValidationFailed", "", "SignatureValidationFailed"),
    ];
    for (reason, message, want) in cases {
        let waits = PodView {
            volume_word: Some(said("FailedMount", "it was, once")),
            ..pod(Stage::Waiting(Some(said(reason, message))))
        };
        check(&waits, Some((Hindrance::Image, want)));
    }
}

#[test]
fn containers_that_have_ended_keep_a_pod() {
    let crashed = PodView {
        down: 1,
        volume_word: Some(said("FailedMount", "it was, once")),
        ..pod(Stage::Waiting(Some(said("CrashLoopBackOff", "back-off"))))
    };
    let want = "CrashLoopBackOff: back-off";
    check(&crashed, Some((Hindrance::CrashLoop, want)));
    let again = PodView {
        down: 0,
        ..pod(Stage::Running)
    };
    check(&again, None);
}

#[test]
fn a_pod_that_leaves_is_kept_by_nothing() {
    let leaves = PodView {
        terminating: true,
        ..unscheduled(GPUS, None)
    };
    check(&leaves, None);
}

#[test]
fn what_cannot_be_made_is_refused_by_a_quota_or_somebody_else() {
    let quota = "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4";
    let scopes = "insufficient quota to match these scopes: [{PriorityClass In [high]}]";
    let webhook = "admission webhook \"gpus.example\" denied the request: no";
    let standard = "violates PodSecurity \"restricted:latest\": privileged";
    //   the controller's words => what keeps it, shorter
    let cases = [
        (
            format!("pods \"flowers-7d9-\" is forbidden: {quota}"),
            Hindrance::Quota,
            quota,
        ),
        (
            format!("Error creating: pods \"flowers-7d9-x\" is forbidden: {quota}"),
            Hindrance::Quota,
            quota,
        ),
        (
            format!(
                "create Pod flowers-0 in StatefulSet flowers failed error: pods \"flowers-0\" is forbidden: {quota}"
            ),
            Hindrance::Quota,
            quota,
        ),
        (
            format!("pods \"flowers-7d9-\" is forbidden: {scopes}"),
            Hindrance::Quota,
            scopes,
        ),
        (
            format!("Error creating: {webhook}"),
            Hindrance::Refused,
            webhook,
        ),
        (
            format!("pods \"x\" is forbidden: {standard}"),
            Hindrance::Refused,
            standard,
        ),
        (String::new(), Hindrance::Refused, "FailedCreate"),
    ];
    for (message, by, sentence) in cases {
        let found = refuses(&said("FailedCreate", &message));
        assert_eq!(found, (by, sentence.to_owned()));
    }
}

#[test]
fn nobody_is_told_more_than_a_few_lines() {
    let long = unscheduled(&"é".repeat(2000), None);
    let (_, sentence) = keeps(&long).expect("it is kept");
    assert_eq!(sentence.chars().count(), LONGEST + 1);
    assert!(sentence.ends_with('…'));
}
