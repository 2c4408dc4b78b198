//! Who steers writes, and whoever comes to steer reads before.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_writes_nothing_and_reads_again_when_it_does() {
    let server = Server::default();
    let old = Gateway::start(&server, true).await;
    let new = Gateway::start(&server, false).await;
    old.note("a", 3);
    new.note("b", 1);
    pass(15_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(new.asked("a"), None);
    old.note("c", 7);
    old.steer(false);
    old.keeper.close().await;
    assert!(!pages(&server).contains_key("c"), "it steers no more");
    new.steer(true);
    pass(2_000).await;
    assert_eq!(new.asked("a"), Some(3));
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn who_steers_once_more_reads_what_was_written_meanwhile() {
    let server = Server::default();
    let (first, second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    pass(1_000).await;
    first.steer(false);
    second.steer(true);
    second.note("b", 5);
    pass(3_000).await;
    second.steer(false);
    first.steer(true);
    pass(3_000).await;
    assert_eq!(first.asked("b"), Some(5));
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_steer_knows_what_was_left_before_it_begins() {
    let server = Server::default();
    let (first, mut second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    first.note("a", 7);
    pass(2_000).await;
    assert_eq!(second.asked("a"), None);
    second.steer(true);
    second.held.wait_for(|held| held.steers).await.unwrap();
    assert_eq!(second.asked("a"), Some(7));
    second.steer(false);
    pass(1).await;
    assert!(!second.held.borrow().steers, "that is not held back");
    first.note("a", 8);
    pass(2_000).await;
    second.steer(true);
    second.held.wait_for(|held| held.steers).await.unwrap();
    assert_eq!(second.asked("a"), Some(8), "and each time anew");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_read_what_was_left_steers_after_a_few_seconds() {
    for fault in [Fault::Away, Fault::Hang, Fault::Refuse(403, "no")] {
        let server = Server::default();
        let mut gateway = Gateway::start(&server, false).await;
        server.fail_always(Some(fault));
        let begun = now();
        gateway.tenure.send_replace(Tenure {
            steers: true,
            heard: false,
        });
        let held = gateway.held.wait_for(|held| held.steers).await.unwrap();
        assert!(!held.heard);
        let took = now().saturating_duration_since(begun).as_secs();
        assert_eq!(took, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_before_it_could_read_still_hears_of_others() {
    let server = Server::default();
    let gateway = Gateway::start(&server, false).await;
    server.fail_always(Some(Fault::Hang));
    gateway.steer(true);
    pass(10).await;
    gateway.keeper.close().await;
    for heard in [false, true] {
        gateway.tenure.send_modify(|tenure| tenure.heard = heard);
        pass(10).await;
        assert_eq!(gateway.held.borrow().heard, heard);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_noted_for_a_month_is_forgotten_by_who_lives_longer() {
    let server = Server::default();
    let day = 24 * 60 * 60 * 1000;
    let (first, second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    first.note("gone", 3);
    pass(29 * day).await;
    first.note("here", 1);
    pass(2_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["gone", "here"]);
    first.steer(false);
    second.steer(true);
    pass(2 * day).await;
    assert_eq!(second.asked("gone"), Some(3));
    second.note("new", 1);
    pass(2_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["here", "new"]);
    assert_eq!(second.asked("gone"), None);
}

#[tokio::test(start_paused = true)]
async fn who_finds_nothing_new_begins_at_once() {
    let server = Server::default();
    let mut gateway = Gateway::start(&server, false).await;
    server.calls();
    for _ in 0..3 {
        gateway.steer(true);
        let begun = now();
        gateway.held.wait_for(|held| held.steers).await.unwrap();
        assert_eq!(now(), begun);
        pass(60_000).await;
        gateway.steer(false);
        pass(1).await;
    }
    let reads = server.calls();
    assert_eq!(
        reads,
        [
            format!("GET {MAP}"),
            format!("GET {MAP}"),
            format!("GET {MAP}")
        ]
    );
}
