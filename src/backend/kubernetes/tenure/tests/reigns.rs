//! The numbers of reigns, and holders that are known to have ended.

use super::*;

impl Reign {
    fn reigns(&self) -> Option<u64> {
        *self.number.borrow()
    }
}

/// A pod whose container was started again so long ago, or has ended and was not.
fn ended(name: &str, again: Option<u64>) -> Value {
    let at = |ago: u64| timestamp(wall() - seconds(ago)).to_string();
    let terminated = |at: String| json!({ "terminated": { "exitCode": 137, "finishedAt": at } });
    let mut pod = pod(name, false, None);
    let container = &mut pod["status"]["containerStatuses"][0];
    match again {
        Some(ago) => {
            container["restartCount"] = 1.into();
            container["lastState"] = terminated(at(ago + 1));
            container["state"] = json!({ "running": { "startedAt": at(ago) } });
        }
        None => container["state"] = terminated(at(0)),
    }
    pod
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_pod_is_gone_or_has_ended_is_succeeded_at_once() {
    let gone = None;
    let failed = || {
        let mut pod = pod("a", false, None);
        pod["status"]["phase"] = "Failed".into();
        pod
    };
    for end in [gone, Some(failed()), Some(Value::Null)] {
        let server = Server::default();
        let path = format!("{PODS}/a");
        server.put(&path, pod("a", true, None));
        let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
        first.comes().await;
        pass(seconds(3)).await;
        assert!(first.steers(), "it came first");
        drop(first);
        match end {
            None => server.delete(&path),
            Some(Value::Null) => server.put(&path, ended("a", None)),
            Some(pod) => server.put(&path, pod),
        }
        let took = second.comes().await;
        assert!(took < Duration::from_millis(200), "{took:?}");
        assert!(*second.inherits().borrow(), "nothing was given back");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_lease_that_was_given_back_or_never_held_knows_that() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    assert!(!*first.inherits().borrow(), "nobody was before it");
    pass(seconds(3)).await;
    first.abdicate().await;
    second.comes().await;
    assert!(!*second.inherits().borrow());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_began_after_its_pod_was_started_again_has_not_ended() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), ended("a", Some(20)));
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    for _ in 0..10 {
        pass(seconds(1)).await;
        assert!(first.steers() && !second.steers());
    }
    // What is told late of the life before.
    server.put(&format!("{PODS}/a"), ended("a", Some(12)));
    for _ in 0..10 {
        pass(seconds(1)).await;
        assert!(first.steers() && !second.steers());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reign_has_a_higher_number_than_all_before_it() {
    let server = Server::default();
    let mut highest = 0;
    let (mut one, mut other) = (gateway(&server, "a"), gateway(&server, "b"));
    for round in 0..12 {
        pass(seconds(20)).await;
        if other.steers() {
            std::mem::swap(&mut one, &mut other);
        }
        let reign = one.reigns().expect("it steers");
        assert_eq!(other.reigns(), None);
        assert!(reign > highest, "{reign} after {highest} in round {round}");
        highest = reign;
        match round % 4 {
            // Its container is started again.
            0 => one = gateway(&server, &holder(&server)),
            // It goes, and another pod comes.
            1 => {
                one.abdicate().await;
                one = gateway(&server, &format!("c{round}"));
            }
            // Nobody hears of it any more.
            2 => one = gateway(&server, &format!("c{round}")),
            _ => server.delete(LEASE),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reign_that_others_have_outdone_gets_a_higher_number() {
    let server = Server::default();
    let (first, second) = (gateway(&server, "a"), gateway(&server, "b"));
    first.comes().await;
    second
        .outdone()
        .send_modify(|known| *known = 20.max(*known));
    first.outdone().send_modify(|known| *known = 9.max(*known));
    first.outdone().send_modify(|known| *known = 4.max(*known));
    pass(seconds(1)).await;
    assert_eq!((first.reigns(), second.reigns()), (Some(10), None));
    // Set back to what was saved.
    let mut lease = server.get(LEASE).unwrap();
    lease["spec"]["leaseTransitions"] = 3.into();
    server.put(LEASE, lease);
    pass(seconds(1)).await;
    assert_eq!(first.reigns(), Some(11));
    let writes = server.count("PUT");
    assert!(writes <= 5, "{writes} in two seconds");
    first.abdicate().await;
    pass(seconds(1)).await;
    assert_eq!(second.reigns(), Some(21));
}

#[tokio::test(start_paused = true)]
async fn a_reign_goes_on_without_an_api_server_until_another_is_heard_of() {
    let server = Server::default();
    let links = [server.link(), server.link()];
    let first = gateway(&links[0], "a");
    first.comes().await;
    let second = gateway(&links[1], "b");
    pass(seconds(3)).await;
    for link in &links {
        link.fail_always(Some(Fault::Away));
    }
    pass(seconds(60)).await;
    assert_eq!((first.steers(), first.reigns()), (false, Some(1)));
    links[0].fail_always(None);
    pass(seconds(3)).await;
    assert_eq!((first.steers(), first.reigns()), (true, Some(1)));
    links[0].fail_always(Some(Fault::Away));
    links[1].fail_always(None);
    pass(seconds(20)).await;
    assert_eq!((second.steers(), second.reigns()), (true, Some(2)));
    assert_eq!(first.reigns(), Some(1), "it hears of it from the other");
    links[0].fail_always(None);
    pass(seconds(3)).await;
    assert_eq!(first.reigns(), None);
}
