//! Two that would be called the same.

use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::Obstacle;
use crate::backend::kubernetes::objects::Workload;

#[test]
fn the_older_keeps_the_name_and_the_other_is_told_who_has_it() {
    let mut inventory = inventory();
    let younger = Workload {
        created: moment(20),
        ..enabled("Deployment", "flowers")
    };
    inventory.put_workload(younger);
    assert_eq!(inventory.obstacle("flowers.default"), None);
    inventory.put_workload(enabled("StatefulSet", "flowers"));
    assert_eq!(
        inventory.names(),
        ["flowers.default", "flowers.deployment.default"]
    );
    assert_eq!(
        &*inventory.claim("flowers.default").owner.kind,
        "StatefulSet"
    );
    let Some(Obstacle::NameTaken(holder)) = inventory.obstacle("flowers.deployment.default") else {
        panic!("its name is taken");
    };
    assert_eq!(&*holder.kind, "StatefulSet");
    inventory.lose(SETS, "flowers");
    assert_eq!(inventory.names(), ["flowers.default"]);
    assert_eq!(inventory.obstacle("flowers.default"), None);
}

#[test]
fn a_substitute_takes_no_name_from_anybody() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("StatefulSet", "flowers"));
    let younger = |name| Workload {
        created: moment(20),
        ..enabled("Deployment", name)
    };
    inventory.put_workload(younger("flowers"));
    inventory.put_workload(younger("flowers.deployment"));
    let names = inventory.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(inventory.obstacle("flowers.deployment.default"), None);
}

#[test]
fn a_name_with_dots_is_still_in_its_namespace() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers.v1"));
    inventory.put(PODS, pod("p", "flowers.v1", "u", 1));
    assert_eq!(inventory.presence("flowers.v1.default").pods.len(), 1);
}
