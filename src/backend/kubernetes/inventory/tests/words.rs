//! What is known of pods from what others said of them.

use super::super::facts::{Fact, Matter};
use super::super::{Change, Changed, Inventory, Named};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::objects::{NodeWord, PodView, Stage};

const A_MINUTE: u64 = 60;

fn with_flowers() -> Inventory {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory
}

/// The only pod of the only workload.
fn view(inventory: &mut Inventory) -> PodView {
    let present = inventory.presence("flowers.default");
    (*present.pods[0]).clone()
}

fn node_word(inventory: &mut Inventory) -> Option<(bool, String)> {
    let word = view(inventory).node_word?;
    Some((word.coming, word.said.reason))
}

/// The pod in another stage.
fn pod_at(stage: Stage) -> Named {
    let mut named = pod("p", "flowers", "1", 1);
    let Fact::Pod(pod) = &mut named.fact else {
        panic!("it is a pod");
    };
    pod.view = PodView {
        stage,
        ..(*pod.view).clone()
    }
    .into();
    named
}

#[test]
fn what_was_said_of_a_pod_is_known_whichever_is_heard_of_first() {
    let (comes, pod) = (
        said("1", Matter::NodeComes, "TriggeredScaleUp", 100),
        pod("p", "flowers", "1", 1),
    );
    let want = Some(NodeWord {
        coming: true,
        said: words("TriggeredScaleUp"),
        at: moment(100),
    });
    let mut before = with_flowers();
    before.put(WORDS, comes.clone());
    before.put(PODS, pod.clone());
    assert_eq!(view(&mut before).node_word, want);
    let mut after = with_flowers();
    after.put(PODS, pod);
    after.settle();
    after.put(WORDS, comes.clone());
    let changed = after.settle().presents;
    assert_ne!(changed, Changed::default().presents, "it is told");
    assert_eq!(view(&mut after).node_word, want);
    after.put(WORDS, comes);
    assert_eq!(after.settle(), Changed::default(), "it is told once");
}

#[test]
fn of_several_the_last_said_holds() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    let comes = |second| said("1", Matter::NodeComes, "TriggeredScaleUp", second);
    let none = |second| said("1", Matter::NoNodeComes, "NotTriggerScaleUp", second);
    let (yes, no) = (
        Some((true, "TriggeredScaleUp".to_owned())),
        Some((false, "NotTriggerScaleUp".to_owned())),
    );
    inventory.put(WORDS, comes(100));
    inventory.put(WORDS, none(90));
    assert_eq!(node_word(&mut inventory), yes);
    // The same Event, said again.
    let mut again = none(90);
    let Fact::Said(it) = &mut again.fact else {
        panic!("it was said");
    };
    it.at = moment(110);
    inventory.put(WORDS, again);
    assert_eq!(node_word(&mut inventory), no);
    // At the same second as the last, but after it.
    inventory.put(WORDS, comes(110));
    assert_eq!(node_word(&mut inventory), yes);
}

#[test]
fn who_brings_no_node_knows_nothing_of_those_that_another_brings() {
    let by = |who: &str, matter, reason: &str, second| {
        let mut named = said("1", matter, reason, second);
        let Fact::Said(it) = &mut named.fact else {
            panic!("it was said");
        };
        it.by = who.into();
        named
    };
    let none = |second| {
        by(
            "cluster-autoscaler",
            Matter::NoNodeComes,
            "NotTriggerScaleUp",
            second,
        )
    };
    let comes = || by("karpenter", Matter::NodeComes, "Nominated", 100);
    let nominated = Some((true, "Nominated".to_owned()));
    let orders = [
        vec![comes(), none(110)],
        vec![none(110), comes()],
        vec![none(90), comes(), none(110), none(120)],
    ];
    for order in orders {
        let mut inventory = with_flowers();
        inventory.put(PODS, pod("p", "flowers", "1", 1));
        for said in order {
            inventory.put(WORDS, said);
        }
        assert_eq!(node_word(&mut inventory), nominated);
        // Who has promised it may take it back.
        let matter = Matter::NoNodeComes;
        inventory.put(WORDS, by("karpenter", matter, "FailedScheduling", 130));
        let none = Some((false, "FailedScheduling".to_owned()));
        assert_eq!(node_word(&mut inventory), none);
    }
}

#[test]
fn what_was_said_is_not_unsaid_when_the_record_of_it_is_gone() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    let comes = said("1", Matter::NodeComes, "TriggeredScaleUp", 100);
    inventory.put(WORDS, comes.clone());
    inventory.lose(WORDS, &comes.name);
    inventory.take(WORDS, Change::Listed(Vec::new()));
    assert!(node_word(&mut inventory).is_some());
    let later = said("1", Matter::NoNodeComes, "NotTriggerScaleUp", 200);
    inventory.take(WORDS, Change::Listed(vec![later]));
    let word = node_word(&mut inventory);
    assert_eq!(word, Some((false, "NotTriggerScaleUp".to_owned())));
}

#[test]
fn whether_words_are_heard_makes_nothing_less_fresh() {
    let mut inventory = with_flowers();
    inventory.settle();
    inventory.take(WORDS, Change::Heard(false));
    assert_eq!(inventory.settle(), Changed::default());
    assert!(inventory.presence("flowers.default").fresh);
}

#[test]
fn a_pod_that_has_a_node_waits_for_none() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    let comes = said("1", Matter::NodeComes, "TriggeredScaleUp", 100);
    inventory.put(WORDS, comes.clone());
    inventory.put(PODS, pod_at(Stage::Waiting(None)));
    assert_eq!(view(&mut inventory).node_word, None);
    inventory.put(WORDS, said("1", Matter::NodeComes, "Nominated", 200));
    assert_eq!(view(&mut inventory).node_word, None);
    assert!(!inventory.remembers(), "it is not kept");
}

#[test]
fn a_volume_is_waited_for_until_the_containers_run() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod_at(Stage::Waiting(None)));
    inventory.put(WORDS, said("1", Matter::Volume, "FailedMount", 100));
    let word = view(&mut inventory).volume_word;
    assert_eq!(word, Some(words("FailedMount")));
    inventory.put(PODS, pod_at(Stage::Running));
    assert_eq!(view(&mut inventory).volume_word, None);
    assert!(!inventory.remembers(), "it is not kept");
}

#[test]
fn what_was_said_holds_for_a_while() {
    //      what, and for how many minutes
    let cases = [
        (Matter::NodeComes, 15),
        (Matter::NoNodeComes, 60),
        (Matter::Volume, 10),
    ];
    for (matter, minutes) in cases {
        let mut inventory = with_flowers();
        inventory.put(PODS, pod("p", "flowers", "1", 1));
        inventory.put(WORDS, said("1", matter, "x", 100));
        let says = |view: &PodView| view.node_word.is_some() || view.volume_word.is_some();
        inventory.forget(moment(100 + minutes * A_MINUTE - 1));
        assert!(says(&view(&mut inventory)), "{matter:?}");
        inventory.forget(moment(100 + minutes * A_MINUTE));
        let changed = inventory.settle().presents;
        assert_ne!(changed, Changed::default().presents, "it is told");
        assert!(!says(&view(&mut inventory)), "{matter:?}");
        assert!(!inventory.remembers());
    }
}

#[test]
fn what_is_said_again_holds_from_then_on() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    for minute in [0, 14, 28] {
        let at = minute * A_MINUTE;
        inventory.put(WORDS, said("1", Matter::NodeComes, "Nominated", at));
        inventory.forget(moment(at + 14 * A_MINUTE));
        assert!(node_word(&mut inventory).is_some());
    }
}

#[test]
fn a_pod_takes_with_it_what_was_said_of_it() {
    let mut inventory = with_flowers();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    inventory.put(WORDS, said("1", Matter::NodeComes, "Nominated", 100));
    inventory.lose(PODS, "p");
    assert!(!inventory.remembers());
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    inventory.put(WORDS, said("1", Matter::NodeComes, "Nominated", 100));
    // Another under its name.
    inventory.put(PODS, pod("p", "flowers", "2", 2));
    assert_eq!(view(&mut inventory).node_word, None);
    assert!(!inventory.remembers());
}

#[test]
fn no_more_is_remembered_of_strangers_than_of_a_thousand_and_not_for_ever() {
    let mut inventory = with_flowers();
    for second in 0..5000 {
        let uid = format!("s{second}");
        inventory.put(WORDS, said(&uid, Matter::Volume, "FailedMount", second));
        assert!(inventory.words.strangers() <= 1000);
    }
    let mut last = pod("p", "flowers", "s4999", 1);
    inventory.put(PODS, last.clone());
    assert!(
        view(&mut inventory).volume_word.is_some(),
        "the newest stay"
    );
    last = pod("p", "flowers", "s1", 1);
    inventory.put(PODS, last);
    assert_eq!(view(&mut inventory).volume_word, None);
    inventory.forget(moment(5000 + 10 * A_MINUTE));
    assert!(!inventory.remembers());
}
