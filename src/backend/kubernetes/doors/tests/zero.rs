//! Path `takeover`: callers find a gateway while no pod is ready, and before the last one goes.

use super::*;

#[tokio::test(start_paused = true)]
async fn callers_find_the_gateway_while_no_pod_is_ready_and_no_longer() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Takeover);
    sleep(3 * SECOND).await;
    let (addresses, numbers) = scene.slice().expect("it has a number at once");
    assert_eq!((addresses.len(), numbers.len()), (0, 1));
    assert!(NUMBERS.contains(&u16::try_from(numbers[0]).expect("a port")));
    scene.says(false, false);
    assert!(scene.until(Scene::is_inside).await < SECOND / 2);
    assert_eq!(
        scene.slice().expect("it is there").1,
        numbers,
        "its number stays"
    );
    scene.says(true, false);
    let took = scene.until(|scene| !scene.is_inside()).await;
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
    assert_eq!(scene.selector(), json!({ "app": "flowers" }));
    assert_eq!(scene.told(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_last_pod_goes_only_once_callers_find_a_gateway_for_a_second() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Takeover);
    sleep(3 * SECOND).await;
    assert!(!scene.exit.is_led());
    scene.says(true, true);
    scene.until(Scene::is_inside).await;
    assert!(!scene.exit.is_led());
    let took = scene.until(|scene| scene.exit.is_led()).await;
    assert!(took >= SECOND * 9 / 10 && took < 2 * SECOND, "{took:?}");
    // It stays after all: callers are not led any more before the gateway is gone from there.
    scene.says(true, false);
    scene.until(|scene| !scene.exit.is_led()).await;
    scene.until(|scene| !scene.is_inside()).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_gateway_is_being_taken_out_nobody_counts_on_it() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    scene.api.fail(Fault::Hang);
    scene.says(true, false);
    let took = scene.until(|scene| !scene.exit.is_led()).await;
    assert!(took < SECOND + SECOND / 5, "from when it begins: {took:?}");
    sleep(SECOND + SECOND / 10).await;
    // The call that takes it out is under way, and may be heard at any moment.
    scene.says(true, true);
    sleep(SECOND).await;
    assert!(scene.is_inside() && !scene.exit.is_led());
    scene.until(|scene| scene.exit.is_led()).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_crashes_leaves_its_callers_to_the_gateway_at_once() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Takeover);
    sleep(30 * SECOND).await;
    for _ in 0..3 {
        scene.says(false, false);
        assert!(scene.until(Scene::is_inside).await < SECOND / 10);
        // It is back, and crashes before anybody has heard of that.
        scene.says(true, false);
        sleep(SECOND / 2).await;
        scene.says(false, false);
        sleep(SECOND).await;
        assert!(scene.is_inside());
        scene.says(true, false);
        scene.until(|scene| !scene.is_inside()).await;
        sleep(SECOND).await;
    }
}
