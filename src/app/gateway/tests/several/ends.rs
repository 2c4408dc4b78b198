//! Gateways that come and go.

use super::super::super::sharing::Standing;
use super::*;

#[tokio::test(start_paused = true)]
async fn the_share_of_a_member_that_dies_is_had_again_once_its_requests_have_ended() {
    let mut installation = Installation::new(4, 1, 3).await;
    let load = installation.load(&[0, 1], 4, ms(400), secs(20));
    let dying = installation.load(&[2], 4, ms(400), secs(20));
    sleep(secs(5)).await;
    installation.kill(2).await;
    let (served, longest) = load.over().await;
    drop(dying);
    assert_eq!(installation.city.fullest(), 1);
    assert!(served > 150, "{served} were served");
    assert!(longest < secs(3), "{longest:?}");
    let beside = Standing::Beside {
        leader: Some("gateway-0".into()),
        heard: Some(1),
        unheard: 0,
    };
    assert_eq!(installation.standing(0), beside);
    // All of it: as many run at once as there are slots.
    let begun = Instant::now();
    let asked: Vec<_> = (0..4).map(|n| installation.ask(n % 2, secs(1))).collect();
    for asked in asked {
        asked.await.expect("it ran").expect("served");
    }
    assert!(begun.elapsed() < ms(1100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_dies_everybody_serves_on_and_another_leads() {
    let mut installation = Installation::new(6, 1, 3).await;
    let load = installation.load(&[1, 2], 4, ms(300), secs(30));
    let dying = installation.load(&[0], 4, ms(300), secs(30));
    sleep(secs(5)).await;
    installation.kill(0).await;
    sleep(secs(4)).await;
    installation.leads(1);
    let (served, longest) = load.over().await;
    drop(dying);
    assert_eq!(installation.city.fullest(), 1);
    assert!(served > 400, "{served} were served");
    assert!(longest < secs(3), "{longest:?}");
    let leader = |standing| match standing {
        Standing::Beside { leader, .. } => leader,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        leader(installation.standing(2)).as_deref(),
        Some("gateway-1")
    );
    let begun = Instant::now();
    let asked: Vec<_> = (0..6).map(|_| installation.ask(2, secs(1))).collect();
    for asked in asked {
        asked.await.expect("it ran").expect("served");
    }
    assert!(begun.elapsed() < ms(1100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_one_gateway_is_replaced_by_the_next_both_serve_and_nobody_waits() {
    let mut installation = Installation::new(4, 1, 1).await;
    assert_eq!(installation.standing(0), Standing::Alone);
    let before = installation.load(&[0], 3, ms(200), secs(10));
    sleep(secs(3)).await;
    installation.crashes = false;
    let new = installation.start();
    sleep(secs(1)).await;
    let after = installation.load(&[new], 3, ms(200), secs(15));
    sleep(secs(1)).await;
    // It is told to end: steers nothing, serves on.
    installation.leads(new);
    let ((old_served, old_longest), ()) = tokio::join!(before.over(), async {});
    installation.end(0).await;
    let (new_served, new_longest) = after.over().await;
    assert_eq!(installation.city.fullest(), 1);
    assert!(
        old_served > 80 && new_served > 150,
        "{old_served} {new_served}"
    );
    assert!(
        old_longest.max(new_longest) < secs(1),
        "{old_longest:?} {new_longest:?}"
    );
    sleep(secs(30)).await;
    assert_eq!(installation.standing(new), Standing::Alone);
}

#[tokio::test(start_paused = true)]
async fn without_an_api_server_all_serve_on_and_nothing_is_taken_away() {
    let installation = Installation::new(4, 1, 3).await;
    let load = installation.load(&[0, 1, 2], 1, ms(300), secs(10));
    sleep(secs(2)).await;
    installation.city.answers(false);
    let (served, longest) = load.over().await;
    assert!(served > 80, "{served} were served");
    assert!(longest < ms(500), "{longest:?}");
    sleep(secs(200)).await;
    assert_eq!(
        (installation.city.fullest(), installation.city.replicas()),
        (1, 4)
    );
    installation.city.answers(true);
    sleep(secs(200)).await;
    assert_eq!(installation.city.replicas(), 0);
    assert_eq!(installation.city.wronged(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_ends_gives_back_what_idles_and_still_serves_whom_it_is_sent() {
    let installation = Installation::new(2, 6, 3).await;
    let all = |at: [usize; 3]| at.map(|number| installation.slots(number));
    assert_eq!(all([0, 1, 2]), [4, 4, 4]);
    let long = installation.ask(2, secs(20));
    sleep(ms(10)).await;
    installation.post(2).sharing.drain();
    sleep(ms(50)).await;
    let [first, second, ends] = all([0, 1, 2]);
    assert_eq!((first + second, ends), (11, 1));
    let late = installation.ask(2, ms(100)).await;
    let late = late.expect("it ran").expect("served");
    assert!(late.waited < ms(50), "{:?}", late.waited);
    sleep(secs(2)).await;
    assert_eq!(
        installation.slots(2),
        1,
        "what was needed once is given back"
    );
    long.await.expect("it ran").expect("served");
    sleep(secs(2)).await;
    let [first, second, ends] = all([0, 1, 2]);
    assert_eq!((first + second, ends), (12, 0));
}

#[tokio::test(start_paused = true)]
async fn who_was_alone_under_load_keeps_what_it_has_when_another_appears() {
    for leads in [true, false] {
        let mut installation = Installation::new(4, 1, 1).await;
        let load = installation.load(&[0], 3, ms(200), secs(10));
        sleep(secs(3)).await;
        if !leads {
            installation.post(0).number.send_replace(None);
        }
        // It lives, and nobody reaches it.
        let unheard = GatewayPod {
            uid: "gateway-1".into(),
            ip: Some(wires::ip(1)),
            ..installation.pods[0].clone()
        };
        installation.pods.push(unheard);
        installation.call();
        let (served, longest) = load.over().await;
        assert_eq!((installation.slots(0), installation.city.fullest()), (4, 1));
        assert!(served > 140, "{served} were served");
        assert!(longest < ms(50), "{longest:?}");
    }
}
