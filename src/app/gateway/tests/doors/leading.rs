//! Where doors lead, also while they come and go.

use super::*;

#[tokio::test(start_paused = true)]
async fn each_door_of_each_claim_is_open_and_leads_to_its_own_revision() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001), door(20_002)]).await;
    way.claim("m.b", &[door(20_003), headless(9_000)]).await;
    way.claim("other.b", &[headless(9_000)]).await;
    assert_eq!(way.open(), [9_000, 20_001, 20_002, 20_003]);
    let mut clients = Vec::new();
    for (number, name) in [(20_001, "m.a"), (20_002, "m.a"), (20_003, "m.b")] {
        clients.push(way.waits_at(number, name).await);
    }
    assert_eq!([way.waiting("m.a"), way.waiting("m.b")], [2, 1]);
    let mut by_host = connect(way.ports.at(9_000)).await.expect("it is open");
    ask(&mut by_host, "other.b").await;
    until(|| way.waiting("other.b") > 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_by_a_door_is_served_like_anything_else_and_drains_with_it() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    let mut client = way.waits_at(20_001, "m.a").await;
    assert!(way.server.busy() > 1, "who accepts, and who was accepted");
    let drained = tokio::spawn({
        let server = way.server.clone();
        async move { server.drained().await }
    });
    settle().await;
    connect(way.ports.at(20_001))
        .await
        .expect_err("nobody is let in");
    assert!(!drained.is_finished(), "somebody waits");
    way.scene.gateway.dismiss();
    assert_eq!(status(&mut client).await, "503");
    drained.await.expect("it drains");
}

#[tokio::test(start_paused = true)]
async fn a_door_that_goes_leads_on_for_a_while_and_closes_then() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    way.claim("m.b", &[door(20_002)]).await;
    let address = way.ports.at(20_001);
    let mut inside = way.waits_at(20_001, "m.a").await;
    let mut unused = connect(address).await.expect("it is open");

    way.claim("m.a", &[]).await;
    tokio::time::sleep(secs(4)).await;
    assert_eq!(way.open(), [20_001, 20_002]);
    let _late = way.waits_at(20_001, "m.a").await;

    tokio::time::sleep(secs(2)).await;
    assert_eq!(way.open(), [20_002]);
    connect(address).await.expect_err("it is closed");
    let read = unused.read(&mut [0; 1]).await.expect("a clean end");
    assert_eq!(read, 0, "what was kept is not kept any more");
    assert_eq!(way.waiting("m.a"), 2, "who is inside stays");
    way.scene.gateway.dismiss();
    assert_eq!(status(&mut inside).await, "503", "and is answered");
}

#[tokio::test(start_paused = true)]
async fn a_request_on_its_way_when_a_door_closes_still_goes_where_it_led() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    let mut kept = connect(way.ports.at(20_001)).await.expect("it is open");
    settle().await;
    way.claim("m.a", &[]).await;
    tokio::time::sleep(secs(5) + Duration::from_millis(100)).await;
    assert_eq!(way.open(), [0; 0]);
    ask(&mut kept, "m").await;
    until(|| way.waiting("m.a") > 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_door_that_comes_back_in_time_never_closes() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    for _ in 0..3 {
        way.claim("m.a", &[]).await;
        tokio::time::sleep(secs(4)).await;
        way.claim("m.a", &[door(20_001)]).await;
        tokio::time::sleep(secs(4)).await;
    }
    assert_eq!((way.open(), *way.tries.lock()), (vec![20_001], 1));
}

#[tokio::test(start_paused = true)]
async fn a_door_whose_revision_is_gone_leads_nowhere() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    way.claim("m.b", &[]).await;
    way.scene.gone("m.a").await;
    let mut client = connect(way.ports.at(20_001)).await.expect("not closed yet");
    ask(&mut client, "m.b").await;
    assert_eq!(status(&mut client).await, "404");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_a_number_the_older_has_it() {
    let mut way = Doorway::new();
    way.scene.claim(of("a.ns", 1, &[door(20_001)])).await;
    way.scene.claim(of("b.ns", 2, &[door(20_001)])).await;
    let _first = way.waits_at(20_001, "b.ns").await;
    way.scene.gone("b.ns").await;
    let _second = way.waits_at(20_001, "a.ns").await;
}
