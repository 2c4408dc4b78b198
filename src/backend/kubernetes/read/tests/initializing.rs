//! Pods whose containers go one before the other.

use serde_json::json;

use super::pods::{running, view};

#[test]
fn a_pod_is_initializing_from_the_first_that_goes_before_until_the_last_has_ended() {
    let waits = || json!({"waiting": {"reason": "PodInitializing"}});
    let runs = || json!({"running": {}});
    let ended = |code: i32| json!({"terminated": {"exitCode": code}});
    let backs_off = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let mut object = running();
    object["status"]["containerStatuses"][0]["state"] = waits();
    let first = object["status"]["initContainerStatuses"][0].clone();
    object["spec"]["initContainers"] = json!([{"name": "storage-initializer"}, {"name": "second"}]);
    object["status"]["initContainerStatuses"] = json!([first.clone(), first]);
    object["status"]["initContainerStatuses"][1]["name"] = json!("second");
    //            first       second      last of the first   is initializing
    let cases = [
        (waits(), waits(), json!(null), false),
        (runs(), waits(), json!(null), true),
        (ended(0), waits(), json!(null), true),
        (ended(0), runs(), json!(null), true),
        (ended(1), waits(), json!(null), true),
        (backs_off(), waits(), ended(1), true),
        (ended(0), ended(0), json!(null), false),
    ];
    for (first, second, last, want) in cases {
        let statuses = &mut object["status"]["initContainerStatuses"];
        statuses[0]["state"] = first;
        statuses[0]["lastState"] = last;
        statuses[1]["state"] = second;
        assert_eq!(view(&object).initializing, want, "{object}");
    }
    // One that stays beside the others does not count.
    let mut beside = running();
    beside["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    beside["status"]["initContainerStatuses"][0]["state"] = runs();
    assert!(!view(&beside).initializing);
}
