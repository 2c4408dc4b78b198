//! What is scaled where several gateways are asked.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_at_a_gateway_that_does_not_lead_starts_the_first_replica() {
    let installation = Installation::new(0, 1, 3).await;
    for (number, later) in [(2, ms(0)), (0, ms(600)), (1, ms(1300)), (2, ms(1900))] {
        sleep(later).await;
        let begun = Instant::now();
        let served = installation.ask(number, ms(100)).await.expect("it ran");
        served.expect("served");
        // The start of a pod, and little more.
        assert!(begun.elapsed() < ms(900), "{number}: {:?}", begun.elapsed());
        sleep(secs(200)).await;
        assert_eq!(installation.city.replicas(), 0, "after {number}");
    }
    assert_eq!(installation.city.fullest(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_all_gateways_counts_together_and_goes_when_nobody_asks() {
    let installation = Installation::new(1, 1, 3).await;
    let load = installation.load(&[0, 1, 2], 3, ms(500), secs(60));
    sleep(secs(40)).await;
    // Nine at once, each replica for one.
    assert_eq!(installation.city.replicas(), 9);
    let (served, _) = load.over().await;
    assert!(served > 600, "{served} were served");
    sleep(secs(200)).await;
    assert_eq!(installation.city.replicas(), 0);
    assert_eq!(installation.city.fullest(), 1);
    assert_eq!(installation.city.wronged(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_busy_at_a_member_is_not_taken_away() {
    let installation = Installation::new(5, 1, 2).await;
    let long = installation.ask(1, secs(300));
    sleep(secs(250)).await;
    assert_eq!(installation.city.replicas(), 1);
    let served = long.await.expect("it ran").expect("served");
    assert!(served.waited < ms(100), "{:?}", served.waited);
    sleep(secs(200)).await;
    assert_eq!(installation.city.replicas(), 0);
    assert_eq!(installation.city.wronged(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn nothing_shrinks_while_a_living_gateway_is_not_heard() {
    let mut installation = Installation::new(3, 1, 2).await;
    // It lives, and nobody reaches it.
    let unheard = GatewayPod {
        uid: "gateway-2".into(),
        ip: Some(wires::ip(2)),
        ..installation.pods[1].clone()
    };
    installation.pods.push(unheard);
    installation.call();
    sleep(secs(300)).await;
    assert_eq!(installation.city.replicas(), 3);
    installation.pods[2].state = PodState::Ended(crate::sync::now());
    installation.call();
    sleep(secs(300)).await;
    assert_eq!(installation.city.replicas(), 0);
}

#[tokio::test(start_paused = true)]
async fn callers_of_services_are_not_led_to_a_gateway_that_is_not_heard() {
    let mut installation = Installation::new(1, 1, 3).await;
    let listening = installation.post(0).sharing.listening();
    let known = || {
        let all = listening.borrow();
        let all = all.iter().flat_map(|all| all.keys());
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(known(), ["gateway-1", "gateway-2"]);
    // Its node has gone without a word, and nobody says that its pod has ended.
    installation.wires.cut(wires::ip(1));
    drop(installation.posts[1].take());
    sleep(secs(5)).await;
    assert_eq!(known(), ["gateway-2"]);
}

#[tokio::test(start_paused = true)]
async fn replicas_without_a_hard_limit_are_everybodys_and_go_when_nobody_asks() {
    let installation = Installation::new(2, 0, 3).await;
    let load = installation.load(&[0, 1, 2], 4, ms(300), secs(20));
    let (served, longest) = load.over().await;
    assert!(served > 600, "{served} were served");
    assert!(longest < ms(50), "{longest:?}");
    sleep(secs(300)).await;
    assert_eq!(installation.city.replicas(), 0);
    assert_eq!(installation.city.wronged(), [""; 0]);
}

/// What is left of so many replicas after a while in which one client asks at each of three gateways.
async fn left_under_steady_low_load(replicas: u32, limit: u32) -> u32 {
    let installation = Installation::new(replicas, limit, 3).await;
    let load = installation.load(&[0, 1, 2], 1, ms(300), secs(400));
    sleep(secs(390)).await;
    let left = installation.city.replicas();
    let (_, longest) = load.over().await;
    assert!(longest < secs(1), "{longest:?}");
    assert_eq!(installation.city.wronged(), [""; 0]);
    left
}

#[tokio::test(start_paused = true)]
async fn under_steady_low_load_at_all_gateways_the_same_replicas_fall_idle() {
    assert_eq!(left_under_steady_low_load(6, 0).await, 1, "no hard limit");
    assert_eq!(left_under_steady_low_load(6, 10).await, 1, "a hard limit");
}

#[tokio::test(start_paused = true)]
async fn what_is_measured_at_one_who_leads_no_more_and_does_not_know_it_counts() {
    let mut installation = Installation::new(1, 1, 2).await;
    installation.reign += 1;
    let (old, new) = (installation.post(0), installation.post(1));
    // The first does not reach the API server: it steers no more, and keeps its reign.
    let heard = true;
    old.tenure.send_replace(Tenure {
        steers: false,
        heard,
    });
    new.number.send_replace(Some(installation.reign));
    new.tenure.send_replace(Tenure {
        steers: true,
        heard,
    });
    sleep(secs(5)).await;
    let load = installation.load(&[0], 6, ms(500), secs(60));
    sleep(secs(40)).await;
    assert_eq!(installation.city.replicas(), 6);
    load.over().await;
    assert_eq!(installation.city.fullest(), 1);
}
