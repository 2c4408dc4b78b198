//! Workloads of whose controllers others tell that they can make no pods.

use super::super::facts::Matter;
use super::super::{Changed, Inventory};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::objects::{Obstruction, Workload};

fn refused(inventory: &mut Inventory) -> Option<Obstruction> {
    let workload = inventory.presence("flowers.default").workload;
    workload.expect("it is there").refused.clone()
}

#[test]
fn a_workload_is_refused_while_pods_are_missing_that_could_not_be_made() {
    let mut inventory = inventory();
    let set = Workload {
        replicas: 3,
        ..enabled("StatefulSet", "flowers")
    };
    let fails = |second| {
        let uid = "StatefulSet-flowers";
        said(uid, Matter::Making, "FailedCreate", second)
    };
    inventory.put(WORDS, fails(100));
    inventory.put_workload(set.clone());
    let want = Some(words("FailedCreate"));
    assert_eq!(refused(&mut inventory), want);
    inventory.put(PODS, pod("flowers-0", "flowers", "0", 99));
    assert_eq!(refused(&mut inventory), want);
    inventory.put(PODS, pod("flowers-1", "flowers", "1", 101));
    assert_eq!(refused(&mut inventory), None, "one was made since");
    inventory.put(WORDS, fails(102));
    assert_eq!(refused(&mut inventory), want);
    inventory.put_workload(Workload {
        replicas: 2,
        ..set.clone()
    });
    assert_eq!(refused(&mut inventory), None, "none is missing");
    inventory.put_workload(set);
    assert_eq!(refused(&mut inventory), want);
    inventory.forget(moment(102 + 20 * 60));
    let changed = inventory.settle().presents;
    assert_ne!(changed, Changed::default().presents, "it is told");
    assert_eq!(refused(&mut inventory), None);
    inventory.put(WORDS, fails(5000));
    let changed = inventory.settle().presents;
    assert_ne!(changed, Changed::default().presents, "it is told");
    assert_eq!(refused(&mut inventory), want);
    inventory.lose(SETS, "flowers");
    assert!(!inventory.remembers());
}

#[test]
fn what_a_controller_says_itself_counts_before_what_was_said_of_it() {
    let mut inventory = inventory();
    let itself = Some(words("itself"));
    inventory.put_workload(Workload {
        refused: itself.clone(),
        ..enabled("Deployment", "flowers")
    });
    let fails = said("Deployment-flowers", Matter::Making, "FailedCreate", 100);
    inventory.put(WORDS, fails);
    assert_eq!(refused(&mut inventory), itself);
}
