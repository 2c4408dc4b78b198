//! Clients that leave.

use holdgate::revision::OnDisconnect;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{
    Answer, Ask, Gate, Http2, Teller, get, ms, named, post, post_told, revision, secs, settle,
    telling, with,
};

/// One replica with so many slots.
async fn one_replica(slots: u32) -> Gate {
    Gate::warm(revision(slots, 1..=1)).await
}

fn chunked(target: &str, bytes: usize) -> Ask {
    let (teller, told) = telling();
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let next = left.min(10_000);
            left -= next;
            if !teller.say(vec![b'x'; next]).await {
                return;
            }
        }
    });
    post_told(target, told)
}

#[tokio::test(start_paused = true)]
async fn a_hung_up_client_leaves_the_queue_at_once_whatever_it_has_sent() {
    for body in [2, 16 << 10, 1 << 20] {
        for form in [post, chunked] {
            let gate = one_replica(1).await;
            let first = gate.asking(named("first", get("/?ms=1000")));
            settle().await;
            let second = gate.asking(named("second", get("/?ms=1000")));
            settle().await;
            let leaver = gate.asking(named("leaver", form("/?ms=1000", body)));
            settle().await;
            let third = gate.asking(named("third", get("/?ms=1000")));
            settle().await;
            assert_eq!(gate.reading().waiting, 3);
            assert_eq!(gate.reading().waiting_bytes, body as u64);

            let left = Instant::now();
            drop(leaver);
            settle().await;
            assert_eq!(left.elapsed(), ms(0), "the clock stood still");
            assert_eq!(gate.reading().waiting, 2, "{body} bytes");
            assert_eq!(gate.reading().waiting_bytes, 0);
            assert_eq!(gate.codes(), [(499, 1)].into());

            for (answer, took) in [(first, 1), (second, 2), (third, 3)] {
                let answer = answer.await.unwrap();
                assert_eq!((answer.code(), answer.took), (200, secs(took)));
            }
            assert_eq!(gate.machine.order(), ["first", "second", "third"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_be_stopped_never_works_on_more_than_its_limit() {
    // All at once, and one after the other.
    for apart in [0, 3] {
        let gate = one_replica(10).await;
        let start = Instant::now();
        let mut leaving = Vec::new();
        for n in 0..100 {
            sleep_until(start + ms(n * apart)).await;
            let asked = gate.asking(named(n, post("/?ms=100&stubborn", 50)));
            leaving.push(tokio::spawn(async move {
                sleep(ms(60)).await;
                drop(asked);
            }));
        }
        for left in leaving {
            left.await.unwrap();
        }
        settle().await;
        let reading = gate.reading();
        assert_eq!(reading.waiting, 0);
        assert!(
            reading.idle_since.is_some(),
            "nobody wants anything any more"
        );
        assert_eq!(reading.running, 10, "but the replica works");
        assert_eq!(gate.codes(), [(499, 100)].into());
        let later = gate.ask(get("/?ms=1")).await;
        assert_eq!(later.code(), 200);
        sleep(ms(100)).await;
        assert_eq!(gate.machine.most_inside(), 10);
        assert_eq!(gate.reading().running, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_client_leaves_is_closed_and_its_slot_freed() {
    let gate = one_replica(1).await;
    let streaming = gate.asking(get("/?chunks=1000&gap=1000"));
    sleep(ms(5500)).await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    assert_eq!((gate.machine.at_work(), gate.reading().waiting), (1, 1));

    drop(streaming);
    let answer = waits.await.unwrap();
    assert_eq!((answer.code(), answer.took), (200, ms(10)));
    assert_eq!(gate.machine.most_inside(), 1, "the model server was told");
    assert_eq!(gate.codes(), [(200, 1), (499, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn released_on_disconnect_the_slot_is_free_while_the_replica_goes_on() {
    let mut spec = revision(1, 1..=1);
    spec.on_disconnect = OnDisconnect::Release;
    let gate = Gate::warm(spec).await;
    let leaver = gate.asking(get("/?ms=10000&stubborn"));
    settle().await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    drop(leaver);
    assert_eq!(waits.await.unwrap().took, ms(10));
    assert_eq!(gate.machine.most_inside(), 2);
}

#[tokio::test(start_paused = true)]
async fn finished_on_disconnect_the_slot_is_kept_until_the_answer_was_read() {
    // It leaves while the replica works on the head, and while it streams.
    for leaves in [500, 4500] {
        let mut spec = revision(1, 1..=1);
        spec.on_disconnect = OnDisconnect::Finish;
        let gate = Gate::warm(spec).await;
        let begun = Instant::now();
        let leaver = gate.asking(get("/?ms=1000&chunks=10&gap=1000"));
        sleep(ms(leaves)).await;
        let waits = gate.asking(get("/?ms=10"));
        settle().await;
        drop(leaver);
        assert_eq!(waits.await.unwrap().code(), 200);
        assert_eq!(begun.elapsed(), ms(10_010));
        assert_eq!(gate.machine.most_inside(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn by_itself_the_slot_is_kept_until_the_replica_begins_to_answer() {
    let gate = one_replica(1).await;
    let begun = Instant::now();
    let leaver = gate.asking(get("/?ms=1000&stubborn&chunks=10&gap=1000"));
    sleep(ms(500)).await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    drop(leaver);
    assert_eq!(waits.await.unwrap().code(), 200);
    assert_eq!(begun.elapsed(), ms(1010));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_leaves_at_the_moment_of_his_turn_leaks_nothing() {
    let gate = one_replica(1).await;
    for _ in 0..50 {
        let first = gate.asking(get("/?ms=100"));
        settle().await;
        let leaver = gate.asking(get("/?ms=100"));
        settle().await;
        let last = gate.asking(get("/?ms=100"));
        let (first, ()) = tokio::join!(first, async {
            sleep(ms(100)).await;
            drop(leaver);
        });
        assert_eq!(first.unwrap().code(), 200);
        assert_eq!(last.await.unwrap().code(), 200);
        assert_eq!((gate.reading().running, gate.reading().waiting), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_did_not_send_to_its_end_is_never_taken_for_whole() {
    let gate = one_replica(1).await;
    let (teller, told) = telling();
    let leaver = gate.asking(post_told("/?ms=100000", told));
    teller.say("half of it").await;
    settle().await;
    assert_eq!(gate.machine.at_work(), 1);
    drop(leaver);
    settle().await;
    assert_eq!(gate.machine.at_work(), 0, "it did not begin to work on it");
    assert_eq!(gate.reading().running, 0);
    assert_eq!(gate.codes(), [(499, 1)].into());
}

/// Half of an upload, in chunks or of a known length. Dropping the words ends it.
async fn half(
    gate: &Gate,
    target: &str,
    length: Option<&str>,
) -> (AbortOnDropHandle<Answer>, Teller) {
    let (teller, told) = telling();
    let mut ask = post_told(target, told);
    if let Some(length) = length {
        ask = with("content-length", length, ask);
    }
    let asking = gate.asking(ask);
    teller.say("half of it").await;
    settle().await;
    (asking, teller)
}

#[tokio::test(start_paused = true)]
async fn the_slot_of_a_broken_upload_is_kept_until_the_replica_is_done_with_it() {
    for on_disconnect in [OnDisconnect::Auto, OnDisconnect::Finish] {
        for length in [None, Some("100")] {
            let mut spec = revision(3, 1..=1);
            spec.on_disconnect = on_disconnect;
            let gate = Gate::warm(spec).await;
            let mut leavers = Vec::new();
            for _ in 0..3 {
                leavers.push(half(&gate, "/?ms=1000&stubborn", length).await);
            }
            assert_eq!(gate.machine.at_work(), 3);
            let waits = gate.asking(get("/?ms=10"));
            settle().await;
            drop(leavers);
            settle().await;
            assert_eq!((gate.machine.at_work(), gate.reading().running), (3, 3));
            let reading = gate.reading();
            assert_eq!(reading.waiting, 1, "{on_disconnect:?}, {length:?}");
            let answer = waits.await.unwrap();
            assert_eq!((answer.code(), answer.took), (200, ms(1010)));
            assert_eq!(gate.machine.most_inside(), 3);
            assert_eq!(gate.codes(), [(200, 1), (499, 3)].into());
            assert_eq!((gate.machine.at_work(), gate.reading().running), (0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_too_large_keeps_its_slot_as_well_and_is_refused_at_once() {
    let mut spec = revision(1, 1..=1);
    spec.max_body_bytes = Some(15);
    spec.on_disconnect = OnDisconnect::Release;
    let gate = Gate::warm(spec).await;
    let (refused, teller) = half(&gate, "/?ms=1000&stubborn", None).await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    teller.say("the other half").await;
    let refused = refused.await.unwrap();
    assert_eq!((refused.code(), refused.took), (413, ms(0)));
    let answer = waits.await.unwrap();
    assert_eq!((answer.code(), answer.took), (200, ms(1010)));
    assert_eq!(gate.machine.most_inside(), 1);
}

#[tokio::test(start_paused = true)]
async fn released_on_disconnect_the_slot_of_a_broken_upload_is_free_at_once() {
    let mut spec = revision(1, 1..=1);
    spec.on_disconnect = OnDisconnect::Release;
    let gate = Gate::warm(spec).await;
    let leaver = half(&gate, "/?ms=1000&stubborn", None).await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    drop(leaver);
    assert_eq!(waits.await.unwrap().took, ms(10));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_never_ends_a_broken_upload_is_replaced() {
    let gate = one_replica(1).await;
    let leaver = half(&gate, "/?ms=100000000&stubborn", None).await;
    drop(leaver);
    settle().await;
    assert_eq!(gate.machine.at_work(), 1);
    sleep(secs(59)).await;
    assert_eq!(gate.machine.launched().len(), 1);
    // It is slow to go, and another one takes its place.
    sleep(secs(600)).await;
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    assert_eq!(gate.machine.launched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn finished_on_disconnect_an_upload_that_breaks_while_it_is_answered_keeps_its_slot() {
    let mut spec = revision(1, 1..=1);
    spec.on_disconnect = OnDisconnect::Finish;
    let gate = Gate::warm(spec).await;
    let (teller, told) = telling();
    let mut client = gate.client().await;
    let answer = client.send(post_told("/?lingers=1000", told)).await;
    teller.say("half of it").await;
    settle().await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    assert_eq!((gate.machine.at_work(), gate.reading().running), (1, 1));
    drop((answer, client));
    let answer = waits.await.unwrap();
    assert_eq!((answer.code(), answer.took), (200, ms(1010)));
    assert_eq!(gate.machine.most_inside(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_reset_within_its_upload_keeps_its_slot_as_well() {
    let gate = one_replica(1).await;
    let client = Http2::to(&gate).await;
    let (teller, told) = telling();
    let leaver = client.asking(post_told("/?ms=1000&stubborn", told));
    teller.say("half of it").await;
    settle().await;
    let waits = client.asking(get("/?ms=10"));
    settle().await;
    leaver.abort();
    let answer = waits.await.unwrap();
    assert_eq!((answer.code(), answer.took), (200, ms(1010)));
    assert_eq!(gate.machine.most_inside(), 1);
}
