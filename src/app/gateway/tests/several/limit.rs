use super::*;

#[tokio::test(start_paused = true)]
async fn three_gateways_never_send_more_to_a_replica_than_its_limit() {
    let installation = Installation::new(20, 1, 3).await;
    let load = installation.load(&[0, 1, 2], 10, ms(200), secs(30));
    let (served, longest) = load.over().await;
    assert_eq!(installation.city.fullest(), 1);
    assert!(served > 2000, "{served} were served");
    assert!(longest < secs(1) + ms(200), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beside_a_slot_that_idles_at_another_gateway() {
    let installation = Installation::new(20, 1, 3).await;
    let load = installation.load(&[1], 20, ms(500), secs(20));
    let (served, longest) = load.over().await;
    assert_eq!(installation.city.fullest(), 1);
    assert!(longest < ms(500), "{longest:?}");
    assert!(served > 600, "{served} were served");
}
