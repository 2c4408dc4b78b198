//! An API server that refuses: because it is too busy, because it has just been started, or because
//! somebody may not.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_done_without_and_hardly_asked_for() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.forbid(ISVCS);
    fake.forbid(MAPS);
    let catalog = everything(&fake);
    names(&catalog, &[FLOWERS]).await;
    sleep(Duration::from_secs(60)).await;
    fake.asked();
    sleep(Duration::from_secs(300)).await;
    let asked = fake
        .asked()
        .into_iter()
        .filter(|it| it.starts_with(ISVCS))
        .count();
    assert!(asked <= 6, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_knows_no_roles_yet_is_asked_again_soon() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    let catalog = everything(&fake);
    names(&catalog, &["ext-predictor.default"]).await;
    fake.forbid(ISVCS);
    fake.forbid(DEPLOYMENTS);
    fake.cut();
    sleep(Duration::from_secs(5)).await;
    fake.allow(ISVCS);
    fake.allow(DEPLOYMENTS);
    fake.put(ISVCS, inference_service("new"));
    let back = tokio::time::Instant::now();
    names(
        &catalog,
        &["ext-predictor.default", "new-predictor.default"],
    )
    .await;
    assert!(
        back.elapsed() < Duration::from_secs(2),
        "{:?}",
        back.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_needed_and_not_allowed_is_waited_for() {
    let fake = Fake::new();
    fake.forbid(SERVICES);
    let catalog = everything(&fake);
    sleep(Duration::from_secs(60)).await;
    assert!(catalog.claims().borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_new_api_server_refuses_is_not_taken_for_missing() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    fake.forbid(ISVCS);
    let catalog = everything(&fake);
    sleep(Duration::from_secs(3)).await;
    fake.allow(ISVCS);
    let claims = until(&mut catalog.claims(), Option::is_some).await;
    let claims = claims.expect("they are there");
    assert_eq!(claims.len(), 1, "the first look is complete");
}

#[tokio::test(start_paused = true)]
async fn how_long_an_api_server_was_away_makes_its_refusal_no_more_convincing() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    fake.leave();
    let catalog = everything(&fake);
    sleep(Duration::from_secs(60)).await;
    for _ in 0..2 {
        fake.forbid(ISVCS);
        fake.come_back();
        sleep(Duration::from_secs(3)).await;
        fake.allow(ISVCS);
        let claims = until(&mut catalog.claims(), Option::is_some).await;
        assert_eq!(claims.expect("they are there").len(), 1);
        // Everything has to be listed again.
        fake.compact();
        fake.cut();
        fake.leave();
        sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_at_first_is_seen_soon_after_it_is() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    fake.forbid(ISVCS);
    let catalog = everything(&fake);
    names(&catalog, &[]).await;
    fake.allow(ISVCS);
    let allowed = Instant::now();
    names(&catalog, &["ext-predictor.default"]).await;
    assert!(allowed.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn who_is_too_busy_to_tell_what_there_is_has_not_said_that_it_is_nothing() {
    for code in [429, 503, 504] {
        let fake = Fake::new();
        fake.put(ISVCS, inference_service("ext"));
        fake.refuse(ISVCS, code, "too many requests, please try again later");
        let catalog = everything(&fake);
        sleep(Duration::from_secs(60)).await;
        assert!(catalog.claims().borrow().is_none(), "{code}");
        let asked = fake.asked().into_iter().filter(|it| it.starts_with(ISVCS));
        assert!(asked.count() < 20, "who is busy is not pressed");
        fake.allow(ISVCS);
        names(&catalog, &["ext-predictor.default"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_too_busy_for_a_watch_is_not_asked_for_everything_instead() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.refuse(PODS, 429, "storage is (re)initializing");
    fake.cut();
    until(&mut present, |it| !it.fresh).await;
    sleep(Duration::from_secs(30)).await;
    fake.put(PODS, pod("c"));
    fake.allow(PODS);
    until(&mut present, |it| it.fresh && pods(it) == ["a", "b", "c"]).await;
    let asked = fake.asked();
    let listed = asked
        .iter()
        .any(|it| it.starts_with(PODS) && !it.contains("watch=true"));
    assert!(!listed, "{asked:?}");
}
