//! What happens from then on, over watches that are cut, fall silent or find their past forgotten.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_at_once() {
    let (fake, _catalog, mut present) = flowers().await;
    let begun = Instant::now();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    fake.delete(PODS, "a");
    until(&mut present, |it| pods(it) == ["b", "c"]).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_cut_goes_on_where_it_was() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.cut();
    fake.put(PODS, pod("c"));
    fake.delete(PODS, "a");
    until(&mut present, |it| pods(it) == ["b", "c"]).await;
    assert!(present.borrow().fresh);
    let listed: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|it| !it.contains("watch=true"))
        .collect();
    let again = listed
        .iter()
        .any(|it| it.starts_with(PODS) || it.starts_with(DEPLOYMENTS));
    assert!(!again, "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_meanwhile_is_listed_again() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.cut();
    fake.delete(PODS, "a");
    fake.put(PODS, pod("c"));
    fake.compact();
    until(&mut present, |it| pods(it) == ["b", "c"] && it.fresh).await;
    let listed = fake
        .asked()
        .into_iter()
        .any(|it| it.starts_with(PODS) && !it.contains("watch=true"));
    assert!(listed);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_told_how_far_it_has_come_goes_on_from_there() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.put(
        SERVICES,
        json!({"metadata": {"name": "s", "namespace": "x"}, "spec": {}}),
    );
    fake.bookmark();
    fake.compact();
    sleep(Duration::from_secs(1)).await;
    fake.cut();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    let asked = fake.asked();
    let listed = asked.iter().any(|it| !it.contains("watch=true"));
    assert!(!listed, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_after_what_it_was_told_last() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.put(PODS, pod("c"));
    fake.put(DEPLOYMENTS, deployment("roses"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    fake.asked();
    fake.cut();
    sleep(Duration::from_secs(10)).await;
    let asked = fake.asked();
    let of = |base: &str| {
        let mut asked = asked.iter().filter(|it| it.starts_with(base));
        asked.next().expect("it is asked for").clone()
    };
    assert!(of(PODS).contains("resourceVersion=5"), "{}", of(PODS));
    assert!(of(DEPLOYMENTS).contains("resourceVersion=6"));
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_nothing_is_fresh_and_nothing_is_lost() {
    let (fake, catalog, mut present) = flowers().await;
    fake.leave();
    until(&mut present, |it| !it.fresh).await;
    fake.delete(PODS, "b");
    let mut scaled = deployment("flowers");
    scaled["spec"]["replicas"] = json!(5);
    fake.put(DEPLOYMENTS, scaled);
    sleep(Duration::from_secs(110)).await;
    assert_eq!(pods(&present.borrow()), ["a", "b"]);
    assert!(present.borrow().workload.is_some());
    assert!(!present.borrow().fresh);
    let back = Instant::now();
    fake.come_back();
    let now = until(&mut present, |it| it.fresh).await;
    assert_eq!(pods(&now), ["a"], "it is fresh only once it has caught up");
    assert_eq!(
        now.workload.map(|it| it.replicas),
        Some(5),
        "both of them have"
    );
    assert!(
        back.elapsed() < Duration::from_secs(2),
        "{:?}",
        back.elapsed()
    );
    names(&catalog, &[FLOWERS]).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_unnoticed_is_found_out() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.fall_silent();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_connection_is_dead_nothing_is_fresh() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.tear();
    fake.put(PODS, pod("c"));
    let now = until(&mut present, |it| !it.fresh).await;
    assert_eq!(pods(&now), ["a", "b"]);
    until(&mut present, |it| it.fresh && pods(it) == ["a", "b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn only_changes_are_told_and_nobody_is_told_who_has_left() {
    let (fake, catalog, mut present) = flowers().await;
    present.mark_unchanged();
    fake.put(PODS, pod("a"));
    let mut stranger = pod("x");
    stranger["metadata"]["labels"] = json!({"app": "else"});
    fake.put(PODS, stranger);
    sleep(Duration::from_secs(1)).await;
    let (again, other) = (
        catalog.present(&RevisionId::new(FLOWERS)),
        catalog.present(&RevisionId::new("x.y")),
    );
    sleep(Duration::from_secs(1)).await;
    assert!(other.borrow().fresh && other.borrow().workload.is_none());
    assert!(!present.has_changed().expect("the catalog lives"));
    assert_eq!(catalog.listeners.presents.lock().len(), 2);
    drop((present, again, other));
    fake.leave();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(catalog.listeners.presents.lock().len(), 0);
}
