//! Somebody else who wants the same object otherwise, another installation for instance: nobody is fought.

use super::*;

/// Writes so far since the last time that somebody asked.
fn writes(scene: &Scene) -> usize {
    let asked = scene.api.asked().into_iter();
    let writes = asked.filter(|it| !it.what.starts_with("GET") && !it.what.starts_with("WATCH"));
    writes.count()
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_does_not_stay_given_back_is_left_for_a_while_with_takeover_too() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.selector() == taken()).await;
    sleep(3 * SECOND).await;
    scene.admits_without_selector();
    scene.told();
    writes(&scene);
    scene.wishes(CallerPath::Takeover);
    sleep(50 * SECOND).await;
    let writes = writes(&scene);
    assert!(writes <= 5, "{writes} writes");
    assert_eq!(scene.told(), ["PathNotGivenBack"]);
    assert!(scene.is_inside(), "callers still find the gateway");
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_another_installation_writes_is_not_written_again_and_again() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    writes(&scene);
    let theirs = |scene: &Scene| scene.slice().is_some_and(|(at, _)| at == ["10.1.0.99"]);
    let mut set_back = 0;
    for _ in 0..500 {
        sleep(SECOND / 10).await;
        if !theirs(&scene) {
            let mut slice = scene.api.get(SLICE).expect("it is there");
            slice["endpoints"][0]["addresses"][0] = "10.1.0.99".into();
            scene.api.put(SLICE, slice);
            set_back += 1;
        }
    }
    assert!((2..=6).contains(&set_back), "{set_back} times");
    assert!(writes(&scene) <= 6);
    let said = scene.said();
    assert!(
        said.iter()
            .any(|it| it.contains("EndpointSlice flowers-holdgate") && it.contains("for 1m")),
        "{said:?}"
    );
    // What is wanted anew is written at once.
    let ip = "10.1.0.6".parse().expect("an address");
    let doors = NUMBERS.collect();
    let other = GatewayAt {
        ip,
        node: None,
        doors,
    };
    scene.gateways.send_replace(Arc::new(Gateways(vec![other])));
    let ours = |scene: &Scene| scene.slice().is_some_and(|(at, _)| at == ["10.1.0.6"]);
    assert!(scene.until(ours).await < SECOND);
}
