//! Where the gateways listen for a port of a Service: its number stays whenever it can.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_headless_service_keeps_its_number() {
    let headless = service("flowers", |service| {
        service["spec"]["clusterIP"] = "None".into();
    });
    let mut scene = Scene::with(headless).await;
    scene.gateways.send_replace(gateway([8080]));
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    assert_eq!(scene.slice().expect("it is there").1, [8080]);
    let slice = scene.api.get(SLICE).expect("it is there");
    let label = "service.kubernetes.io/headless";
    assert_eq!(slice["metadata"]["labels"][label], "");
}

#[tokio::test(start_paused = true)]
async fn of_two_slices_with_one_number_the_older_keeps_it() {
    let mut scene = Scene::new().await;
    let slice = |name: &str, made: &str| {
        json!({
            "metadata": {
                "name": format!("{name}-holdgate"), "namespace": "models", "uid": format!("s-{name}"),
                "creationTimestamp": made,
                "labels": { "kubernetes.io/service-name": name, facts::MANAGED_BY: facts::OURS },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": name, "uid": format!("uid-{name}") }],
            },
            "addressType": "IPv4",
            "ports": [{ "name": "", "port": 21000, "protocol": "TCP" }],
            "endpoints": [],
        })
    };
    scene.api.put(
        "/api/v1/namespaces/models/services/roses",
        service("roses", |_| {}),
    );
    scene.api.put(
        &SLICE.replace("flowers", "roses"),
        slice("roses", "2026-01-01T00:00:00Z"),
    );
    scene
        .api
        .put(SLICE, slice("flowers", "2026-01-02T00:00:00Z"));
    scene.says(true, false);
    let roses = Passage {
        services: BTreeSet::from(["roses".into()]),
        exit: scene.keeper.exit(),
        ..scene.passage(CallerPath::Takeover)
    };
    scene
        .wish
        .wished
        .insert(RevisionId::new("roses.models"), roses);
    let flowers = scene.passage(CallerPath::Takeover);
    scene
        .wish
        .wished
        .insert(RevisionId::new("flowers.models"), flowers);
    scene.keeper.lead(scene.wish.clone());
    sleep(5 * SECOND).await;
    let roses = scene
        .api
        .get(&SLICE.replace("flowers", "roses"))
        .expect("it is there");
    assert_eq!(roses["ports"][0]["port"], 21000);
    assert_ne!(scene.slice().expect("it is there").1, [21000]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_anew_has_its_number_and_its_kind() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    let before = scene.slice();
    scene.api.delete(SERVICE);
    let anew = service("flowers", |service| {
        service["metadata"]["uid"] = "another".into();
    });
    scene.api.put(SERVICE, anew);
    let owner = |scene: &Scene| {
        let slice = scene.api.get(SLICE)?;
        Some(slice["metadata"]["ownerReferences"][0]["uid"].clone())
    };
    scene
        .until(|scene| owner(scene) == Some("another".into()))
        .await;
    scene.until(Scene::is_inside).await;
    assert_eq!(scene.slice(), before);
    // The garbage collector was faster.
    scene.api.delete(SLICE);
    scene.until(Scene::is_inside).await;
    assert_eq!(scene.slice(), before);
    // Of another kind: the slice is one of a headless Service from then on.
    let mut headless = scene.api.get(SERVICE).expect("it is there");
    headless["metadata"]["uid"] = "a third".into();
    headless["spec"]["clusterIP"] = "None".into();
    scene.gateways.send_replace(gateway([8080]));
    scene.api.put(SERVICE, headless);
    scene
        .until(|scene| owner(scene) == Some("a third".into()))
        .await;
    let slice = scene.api.get(SLICE).expect("it is there");
    assert_eq!(
        slice["metadata"]["labels"]["service.kubernetes.io/headless"],
        ""
    );
    assert_eq!(scene.slice().expect("it is there").1, [8080]);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_called_otherwise_keeps_its_number() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    let numbers = scene.slice().expect("it is there").1;
    scene
        .gateways
        .send_replace(gateway([u16::try_from(numbers[0]).expect("a port")]));
    let named = |names: &[&str]| {
        service("flowers", |service| {
            let port = |name: &&str| json!({ "name": name, "port": 80, "targetPort": 8080 });
            service["spec"]["ports"] = names.iter().map(port).collect();
        })
    };
    let ports_of = |scene: &Scene| {
        let ports = scene.api.get(SLICE).expect("it is there")["ports"].clone();
        let ports = ports.as_array().expect("a list").clone();
        ports
            .into_iter()
            .map(|port| port["name"].clone())
            .collect::<Vec<_>>()
    };
    scene.api.put(SERVICE, named(&["http"]));
    scene.until(|scene| ports_of(scene) == ["http"]).await;
    assert_eq!(scene.slice().expect("it is there").1, numbers);
    scene.until(|scene| scene.exit.is_led()).await;
    // One more has a number of its own.
    scene.api.put(SERVICE, named(&["web", "more"]));
    scene
        .until(|scene| ports_of(scene) == ["web", "more"])
        .await;
    let now = scene.slice().expect("it is there").1;
    assert!(now[0] == numbers[0] && now[1] != numbers[0], "{now:?}");
}

#[tokio::test(start_paused = true)]
async fn where_all_numbers_are_given_away_that_is_told_and_the_last_pod_stays() {
    let mut scene = Scene::numbered(20007..=20007).await;
    scene.api.put(
        "/api/v1/namespaces/models/services/roses",
        service("roses", |_| {}),
    );
    sleep(SECOND).await;
    scene.says(false, false);
    let roses = Passage {
        services: BTreeSet::from(["roses".into()]),
        exit: scene.keeper.exit(),
        ..scene.passage(CallerPath::Takeover)
    };
    let late = roses.exit.clone();
    late.say(Word {
        ready: true,
        leaving: true,
    });
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    scene
        .wish
        .wished
        .insert(RevisionId::new("roses.models"), roses);
    scene.keeper.lead(scene.wish.clone());
    sleep(10 * SECOND).await;
    assert!(scene.exit.is_led() && !late.is_led());
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].contains("takeoverPorts"),
        "{said:?}"
    );
    // Nobody needs the one any more.
    scene.wish.wished.remove(&RevisionId::new("flowers.models"));
    scene.keeper.lead(scene.wish.clone());
    scene.until(|_| late.is_led()).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_at_which_callers_of_a_headless_service_come_in_is_nobody_elses() {
    let mut scene = Scene::numbered(20007..=20007).await;
    let headless = service("roses", |service| {
        service["spec"]["clusterIP"] = "None".into();
        service["spec"]["ports"][0]["targetPort"] = 20007.into();
    });
    let roses = Passage {
        services: BTreeSet::from(["roses".into()]),
        server: Server {
            port: 20007,
            names: BTreeMap::new(),
        },
        exit: scene.keeper.exit(),
        ..scene.passage(CallerPath::Takeover)
    };
    scene
        .api
        .put("/api/v1/namespaces/models/services/roses", headless);
    sleep(SECOND).await;
    scene
        .wish
        .wished
        .insert(RevisionId::new("roses.models"), roses.clone());
    scene.keeper.lead(scene.wish.clone());
    sleep(3 * SECOND).await;
    let at = SLICE.replace("flowers", "roses");
    assert!(scene.api.get(&at).is_some());
    scene.says(false, false);
    let flowers = scene.passage(CallerPath::Takeover);
    scene
        .wish
        .wished
        .insert(RevisionId::new("flowers.models"), flowers);
    scene.keeper.lead(scene.wish.clone());
    sleep(3 * SECOND).await;
    assert_eq!(scene.slice(), None, "its callers would come to roses");
    let said = scene.said();
    assert!(said.len() == 1 && said[0].contains("flowers"), "{said:?}");
    // The other way round.
    scene.wish.wished.remove(&RevisionId::new("roses.models"));
    scene.keeper.lead(scene.wish.clone());
    scene.until(|scene| scene.slice().is_some()).await;
    scene
        .wish
        .wished
        .insert(RevisionId::new("roses.models"), roses);
    scene.keeper.lead(scene.wish.clone());
    sleep(3 * SECOND).await;
    assert!(scene.api.get(&at).is_none(), "and theirs to flowers");
}

#[tokio::test(start_paused = true)]
async fn a_number_that_was_given_to_a_service_that_is_gone_is_free_again() {
    let mut scene = Scene::numbered(20007..=20007).await;
    scene.says(false, false);
    scene.api.fail(Fault::Refuse(403, "the namespace goes"));
    scene.wishes(CallerPath::Takeover);
    sleep(SECOND / 10).await;
    scene.api.delete(SERVICE);
    scene.api.put(
        "/api/v1/namespaces/models/services/roses",
        service("roses", |_| {}),
    );
    scene.wish.wished.clear();
    let roses = Passage {
        services: BTreeSet::from(["roses".into()]),
        ..scene.passage(CallerPath::Takeover)
    };
    scene
        .wish
        .wished
        .insert(RevisionId::new("roses.models"), roses);
    scene.keeper.lead(scene.wish.clone());
    sleep(5 * SECOND).await;
    let at = SLICE.replace("flowers", "roses");
    assert!(scene.api.get(&at).is_some(), "{:?}", scene.said());
}
