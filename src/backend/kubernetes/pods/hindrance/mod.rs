//! What keeps a pod from coming, in one word of ours and a short sentence, from what the scheduler,
//! kubelet, those who bring nodes and its controller say of it. What is done about it is decided
//! elsewhere.

mod scheduler;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::trouble::told;
use crate::backend::kubernetes::objects::{NodeWord, Obstruction, PodView, Stage};
use crate::ports::Hindrance;

/// Longest sentence, in characters: whoever keeps it may have much to say.
const LONGEST: usize = 300;

/// What keeps a pod, and a sentence for a person; `None` while nothing does but the start itself. Whether
/// it has crashed often enough for that to be what keeps it, the caller knows.
///
/// Of several the one that must be over first: what is said of a node before what is said of a volume
/// on it, and that before what happens in its containers. That a node comes is believed whatever the
/// scheduler says of the present ones.
pub(super) fn keeps(pod: &PodView) -> Option<(Hindrance, Arc<str>)> {
    if pod.terminating {
        return None;
    }
    let (by, sentence) = match &pod.stage {
        Stage::Unscheduled(why) => unplaced(pod, why.as_ref())?,
        Stage::Waiting(why) => without_containers(pod, why.as_ref())?,
        Stage::Running => return None,
    };
    Some((by, cut(sentence).into()))
}

/// What keeps pods from being made at all, in the words of a controller's condition or Event.
pub(super) fn refuses(refused: &Obstruction) -> (Hindrance, String) {
    let message = refused.message.trim();
    // Which pod it was is of no interest: it has no name yet.
    let said = message
        .split_once(" is forbidden: ")
        .map_or(message, |(_, said)| said);
    let by = if QUOTA.iter().any(|words| said.contains(words)) {
        Hindrance::Quota
    } else {
        Hindrance::Refused
    };
    let sentence = if said.is_empty() {
        told(refused)
    } else {
        said.trim_start_matches("Error creating: ").to_owned()
    };
    (by, cut(sentence))
}

/// What a `ResourceQuota` says: of a number that is used up, or of pods that no number is for.
const QUOTA: [&str; 2] = ["exceeded quota", "insufficient quota"];

/// The condition's reason while somebody keeps the scheduler from looking at it: a queue for jobs does.
const GATED: &str = "SchedulingGated";

fn unplaced(pod: &PodView, why: Option<&Obstruction>) -> Option<(Hindrance, String)> {
    if let Some(node) = &pod.nominated {
        let sentence = format!("room is on its way on {node} (its nominatedNodeName)");
        return Some((Hindrance::NodeComing, sentence));
    }
    if let Some(why) = why.filter(|why| why.reason == GATED) {
        let sentence = format!("held back before a node is looked for ({})", told(why));
        return Some((Hindrance::Unschedulable, sentence));
    }
    without_node(why, pod.node_word.as_ref())
}

fn without_node(why: Option<&Obstruction>, word: Option<&NodeWord>) -> Option<(Hindrance, String)> {
    if let Some(word) = word.filter(|word| word.coming) {
        let sentence = format!("a node is on its way ({})", told(&word.said));
        return Some((Hindrance::NodeComing, sentence));
    }
    let verdict = why.map(|why| scheduler::verdict(&why.message));
    let of_volumes = verdict.as_ref().filter(|verdict| verdict.is_of_volumes());
    if let Some(verdict) = of_volumes {
        let sentence = format!("waits for a volume: {}", verdict.told());
        return Some((Hindrance::Volume, sentence));
    }
    let fits = verdict.map(|verdict| verdict.told());
    let fits = fits
        .filter(|told| !told.is_empty())
        .or_else(|| Some(why?.reason.clone()));
    let fits = fits.map(|told| format!("no node fits: {told}"));
    match (word, fits) {
        (None, None) => None,
        (None, Some(fits)) => Some((Hindrance::Unschedulable, fits)),
        (Some(word), fits) => {
            let sentence = format!("no node comes ({})", told(&word.said));
            let sentence = match fits {
                Some(fits) => format!("{fits}; {sentence}"),
                None => sentence,
            };
            Some((Hindrance::NotTriggered, sentence))
        }
    }
}

fn without_containers(pod: &PodView, why: Option<&Obstruction>) -> Option<(Hindrance, String)> {
    if let Some(why) = why.filter(|why| is_of_images(&why.reason)) {
        return Some((Hindrance::Image, told(why)));
    }
    if pod.down > 0 {
        let sentence = why.map_or_else(|| "its containers have ended".to_owned(), told);
        return Some((Hindrance::CrashLoop, sentence));
    }
    // Kubelet gets volumes before images: any other word means that it has them by now.
    let before_images = why.is_none_or(|why| why.reason == "ContainerCreating" || is_first(why));
    let volume = pod.volume_word.as_ref().filter(|_| before_images)?;
    let sentence = format!("waits for a volume ({})", told(volume));
    Some((Hindrance::Volume, sentence))
}

/// No container has begun: those that go first wait too.
fn is_first(why: &Obstruction) -> bool {
    why.reason == "PodInitializing" && why.message.is_empty()
}

/// `ErrImagePull`, `ImagePullBackOff`, `InvalidImageName`, `ErrImageNeverPull`, `ImageInspectError` and
/// what kubelet says of a registry or a signature.
pub(super) fn is_of_images(reason: &str) -> bool {
    reason.contains("Image")
        || matches!(reason, "RegistryUnavailable" | "SignatureValidationFailed")
}

fn cut(mut sentence: String) -> String {
    if let Some((end, _)) = sentence.char_indices().nth(LONGEST) {
        sentence.truncate(end);
        sentence.push('…');
    }
    sentence
}
