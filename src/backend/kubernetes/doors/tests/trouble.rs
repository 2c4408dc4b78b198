//! What keeps the keeper of doors from its work: nobody is led where it does not know.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_writes_nothing() {
    let mut scene = Scene::new().await;
    scene.tenure.send_replace(Tenure::default());
    scene.says(false, false);
    scene.wishes(CallerPath::Always);
    sleep(30 * SECOND).await;
    assert_eq!(
        (scene.slice(), scene.selector()),
        (None, json!({ "app": "flowers" }))
    );
    scene.tenure.send_replace(Tenure {
        steers: true,
        ..Tenure::default()
    });
    scene.until(|scene| scene.selector() == taken()).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_written_is_told_and_the_last_pod_stays() {
    let mut scene = Scene::new().await;
    scene.says(true, true);
    scene.api.fail(Fault::Refuse(403, "you may not"));
    scene.wishes(CallerPath::Takeover);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(
        scene.said(),
        ["EndpointSlice flowers-holdgate could not be written: not allowed: you may not"]
    );
    assert!(!scene.exit.is_led());
    scene.until(|scene| scene.exit.is_led()).await;
}

#[tokio::test(start_paused = true)]
async fn out_of_sight_nothing_is_changed_and_after_a_while_that_is_told() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.api.fail_always(Some(Fault::Away));
    sleep(10 * SECOND).await;
    scene.api.calls();
    scene.wishes(CallerPath::Takeover);
    sleep(60 * SECOND).await;
    let calls = scene.api.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.starts_with("GET") || call.starts_with("WATCH")),
        "{calls:?}"
    );
    assert_eq!(scene.told(), ["PathNotTaken"]);
    scene.api.fail_always(None);
    scene.until(Scene::is_inside).await;
}

#[tokio::test(start_paused = true)]
async fn out_of_sight_no_last_pod_goes_though_callers_were_led_before() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    scene.api.fail_always(Some(Fault::Away));
    scene.until(|scene| !scene.exit.is_led()).await;
    scene.api.fail_always(None);
    scene.until(|scene| scene.exit.is_led()).await;
}

#[tokio::test(start_paused = true)]
async fn who_steers_no_more_stops_in_the_middle_and_goes_on_from_there_when_it_does_again() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.exit.is_led()).await;
    // The call that takes the selector away, or the next one, is under way.
    scene.api.fail(Fault::Hang);
    let steers = scene.tenure.send_replace(Tenure::default());
    scene.until(|scene| !scene.exit.is_led()).await;
    sleep(SECOND).await;
    scene.set_back();
    scene.api.asked();
    sleep(60 * SECOND).await;
    assert_eq!(scene.selector(), json!({ "app": "flowers" }));
    let writes = scene
        .api
        .asked()
        .into_iter()
        .filter(|it| it.what.starts_with('P'));
    assert_eq!(writes.count(), 0);
    scene.tenure.send_replace(steers);
    scene.until(|scene| scene.selector() == taken()).await;
    scene.until(|scene| scene.exit.is_led()).await;
    assert!(
        !scene.told().contains(&"PathNotTaken".to_owned()),
        "nobody is fought"
    );
}

#[tokio::test(start_paused = true)]
async fn callers_who_are_led_where_nobody_listens_any_more_are_told_of() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    scene.gateways.send_replace(gateway([]));
    sleep(9 * SECOND).await;
    assert_eq!(
        scene.told(),
        Vec::<String>::new(),
        "one may take the place of another"
    );
    sleep(5 * SECOND).await;
    assert_eq!(scene.told(), ["PathNotTaken"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_sight_in_one_namespace_keeps_nobody_in_another() {
    let scene = Scene::new().await;
    let mut sight = (**scene.catalog.doors().borrow()).clone();
    sight.deaf.insert(Some("gone".into()));
    let sight = watch::Sender::new(Arc::new(sight));
    let told = Told::default();
    let inputs = Inputs {
        sight: sight.subscribe(),
        gateways: scene.gateways.subscribe(),
        tenure: scene.tenure.subscribe(),
    };
    let keeper = Doorkeeper::start(scene.api.client(), told.clone(), inputs, NUMBERS);
    let mut there = scene.passage(CallerPath::Takeover);
    there.owner.namespace = "gone".into();
    there.exit = keeper.exit();
    there.exit.lead(true);
    let here = scene.passage(CallerPath::Takeover);
    scene.says(false, false);
    let wished = [("here", here), ("there", there.clone())];
    keeper.lead(Passages {
        wished: wished.map(|(name, it)| (RevisionId::new(name), it)).into(),
        ..Passages::default()
    });
    scene.until(Scene::is_inside).await;
    assert!(!there.exit.is_led(), "the last pod stays");
    sleep(40 * SECOND).await;
    // It never sees its own slice in what it is shown here, and tells of that too.
    let told = told.0.lock();
    let there = told.iter().filter(|it| &*it.about.namespace == "gone");
    let there: Vec<_> = there.map(|it| &it.message).collect();
    assert!(
        there.len() == 1 && there[0].contains("out of sight"),
        "{there:?}"
    );
}
