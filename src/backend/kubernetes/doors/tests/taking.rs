//! Path `always`: the selector is taken away, given back, and nobody is fought for it.

use super::*;

#[tokio::test(start_paused = true)]
async fn always_takes_the_selector_once_callers_find_a_gateway_and_gives_it_back_first() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(Scene::is_inside).await;
    let took = scene.until(|scene| scene.selector() == taken()).await;
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
    assert_eq!(scene.kept(), "app=flowers");
    sleep(30 * SECOND).await;
    assert!(scene.is_inside(), "whatever is ready");
    assert_eq!(scene.told(), ["PathTaken"]);
    scene.wishes(CallerPath::Host);
    scene
        .until(|scene| scene.selector() == json!({ "app": "flowers" }))
        .await;
    assert!(scene.is_inside() && scene.kept().is_null());
    let took = scene.until(|scene| scene.slice().is_none()).await;
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
    scene.api.calls();
    sleep(60 * SECOND).await;
    let calls = scene.api.calls();
    let writes = calls.iter().filter(|call| !call.starts_with("WATCH"));
    assert_eq!(writes.count(), 0, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn from_always_to_takeover_the_selector_comes_back_before_the_gateway_goes() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.selector() == taken()).await;
    sleep(3 * SECOND).await;
    scene.wishes(CallerPath::Takeover);
    scene
        .until(|scene| scene.selector() == json!({ "app": "flowers" }))
        .await;
    let took = scene.until(|scene| !scene.is_inside()).await;
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
    assert!(scene.kept().is_null() && scene.slice().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_sets_the_selector_back_again_and_again_is_not_fought() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    for _ in 0..4 {
        scene.until(|scene| scene.selector() == taken()).await;
        sleep(3 * SECOND).await;
        scene.set_back();
    }
    sleep(20 * SECOND).await;
    assert_eq!(scene.selector(), json!({ "app": "flowers" }));
    let said = scene.said();
    assert!(
        said.iter().any(|it| it
            .ends_with("left as it is for 1m, callers of its name also reach pods past the gate")),
        "{said:?}"
    );
    // It is tried again then.
    scene.until(|scene| scene.selector() == taken()).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_kserve_made_is_never_patched_but_poked_once() {
    let owned = service("flowers", |service| {
        service["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "name": "flowers", "uid": "i1", "controller": true,
        }]);
    });
    let mut scene = Scene::with(owned).await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    sleep(20 * SECOND).await;
    let patches = |scene: &Scene| {
        let asked = scene.api.asked();
        let patches = asked
            .into_iter()
            .filter(|it| it.what == format!("PATCH {SERVICE}"));
        patches.map(|it| it.body).collect::<Vec<_>>()
    };
    let poked = patches(&scene);
    assert_eq!(poked.len(), 1);
    assert!(
        poked[0]["spec"].is_null() && poked[0]["metadata"]["annotations"][facts::PATH] == "always"
    );
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].contains("kserve-every-caller"),
        "{said:?}"
    );
    // The policy has come, and admits it so.
    let mut admitted = scene.api.get(SERVICE).expect("it is there");
    admitted["spec"]["selector"] = taken();
    admitted["metadata"]["annotations"][facts::SELECTOR] = "app=flowers".into();
    scene.api.put(SERVICE, admitted);
    sleep(5 * SECOND).await;
    assert_eq!(scene.told(), ["PathTaken"]);
    // Back again it does not match, so that our patch stays.
    scene.wishes(CallerPath::Host);
    scene.until(|scene| scene.slice().is_none()).await;
    assert_eq!(
        (scene.selector(), scene.kept()),
        (json!({ "app": "flowers" }), Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_shared_or_of_which_nobody_knows_what_is_wanted_is_left_as_it_is() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.selector() == taken()).await;
    let at = || (Arc::from("models"), Arc::from("flowers"));
    scene.wish.unknown.insert(at());
    scene.wishes(CallerPath::Host);
    sleep(10 * SECOND).await;
    assert_eq!(scene.selector(), taken());
    scene.wish.unknown.clear();
    scene.wish.shared.insert(at());
    scene.told();
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.slice().is_none()).await;
    assert_eq!(scene.selector(), json!({ "app": "flowers" }));
    assert_eq!(scene.told(), ["PathNotTaken"]);
}

#[tokio::test(start_paused = true)]
async fn many_services_are_given_back_at_once_and_none_is_taken_for_a_fight() {
    let mut scene = Scene::new().await;
    let at = |n: u32| SERVICE.replace("flowers", &format!("s{n}"));
    for n in 0..40 {
        let taken = service(&format!("s{n}"), |service| {
            service["metadata"]["annotations"][facts::SELECTOR] = format!("app=s{n}").into();
            service["spec"]["selector"] = taken();
        });
        scene.api.put(&at(n), taken);
    }
    sleep(SECOND).await;
    scene.wishes(CallerPath::Host);
    sleep(5 * SECOND).await;
    for n in 0..40 {
        let service = scene.api.get(&at(n)).expect("it is there");
        assert_eq!(
            service["spec"]["selector"],
            json!({ "app": format!("s{n}") })
        );
    }
    assert_eq!(scene.told(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_takes_away_again_is_told_and_left_for_a_while() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.selector() == taken()).await;
    sleep(3 * SECOND).await;
    scene.admits_without_selector();
    scene.told();
    scene.wishes(CallerPath::Host);
    sleep(30 * SECOND).await;
    assert_eq!(scene.told(), ["PathNotGivenBack"]);
    assert!(scene.is_inside(), "callers still find the gateway");
}

#[tokio::test(start_paused = true)]
async fn while_a_selector_cannot_be_given_back_the_gateway_stays() {
    let mut scene = Scene::new().await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    scene.until(|scene| scene.selector() == taken()).await;
    sleep(3 * SECOND).await;
    scene.api.fail(Fault::Hang);
    scene.wishes(CallerPath::Takeover);
    let own = |scene: &Scene| scene.selector() == json!({ "app": "flowers" });
    let took = scene
        .until(|scene| {
            assert!(own(scene) || scene.is_inside(), "callers find nobody");
            own(scene)
        })
        .await;
    assert!(took > 2 * SECOND, "{took:?}");
    let took = scene.until(|scene| !scene.is_inside()).await;
    assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
}
