//! What slices say: which gateways, at which numbers.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_gateway_is_named_only_where_it_listens() {
    let mut scene = Scene::new().await;
    scene.gateways.send_replace(gateway([]));
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    sleep(9 * SECOND).await;
    let (addresses, numbers) = scene.slice().expect("it is there");
    assert_eq!((addresses.len(), scene.exit.is_led()), (0, false));
    assert_eq!(scene.told(), Vec::<String>::new());
    sleep(5 * SECOND).await;
    assert_eq!(scene.told(), ["PathNotTaken"]);
    let listens = numbers
        .iter()
        .map(|number| u16::try_from(*number).expect("a port"));
    scene.gateways.send_replace(gateway(listens));
    scene.until(Scene::is_inside).await;
    // Nobody is known any more: those that were there stay.
    scene.gateways.send_replace(gateway([]));
    sleep(5 * SECOND).await;
    assert!(scene.is_inside());
}

#[tokio::test(start_paused = true)]
async fn a_port_that_leads_elsewhere_is_named_and_always_is_refused() {
    let two = service("flowers", |service| {
        service["spec"]["ports"] = json!([
            { "name": "api", "port": 80, "targetPort": "http" },
            { "name": "metrics", "port": 9100, "targetPort": 9100 },
        ]);
    });
    let mut scene = Scene::with(two).await;
    scene.says(false, false);
    scene.wishes(CallerPath::Always);
    sleep(10 * SECOND).await;
    assert_eq!(
        (scene.slice(), scene.selector()),
        (None, json!({ "app": "flowers" }))
    );
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].starts_with("port 9100 of Service flowers leads to port 9100"),
        "{said:?}"
    );
    assert!(
        scene.exit.is_led(),
        "nothing is waited for that never comes"
    );
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    let slice = scene.api.get(SLICE).expect("it is there");
    let names: Vec<_> = slice["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["api"]);
}

/// A Service with one port for HTTP/1.1 beside another to the same model server.
fn beside(other: &Value) -> Value {
    service("flowers", |service| {
        let api = json!({ "name": "api", "port": 80, "targetPort": 8080 });
        service["spec"]["ports"] = json!([api, other]);
    })
}

#[tokio::test(start_paused = true)]
async fn a_port_for_http2_is_led_beside_another_and_alone() {
    for other in [
        json!({ "name": "other", "port": 81, "targetPort": 8080, "appProtocol": "kubernetes.io/h2c" }),
        json!({ "name": "h2c", "port": 81, "targetPort": 8080 }),
        json!({ "name": "grpc-web", "port": 81, "targetPort": 8080 }),
    ] {
        let mut scene = Scene::with(beside(&other)).await;
        scene.says(true, false);
        scene.wishes(CallerPath::Always);
        scene.until(|scene| scene.selector() == taken()).await;
        assert_eq!(scene.slice().expect("it is there").1.len(), 2);
        let led = "every caller of Service flowers passes the gate: its selector is kept in the \
                   annotation holdgate.dev/selector";
        assert_eq!(scene.said(), [led]);
    }
    for path in [CallerPath::Takeover, CallerPath::Always] {
        let alone = service("flowers", |service| {
            service["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c".into();
        });
        let mut scene = Scene::with(alone).await;
        scene.says(false, false);
        scene.wishes(path);
        scene.until(Scene::is_inside).await;
        let slice = scene.api.get(SLICE).expect("it is there");
        assert_eq!(slice["ports"][0]["appProtocol"], "kubernetes.io/h2c");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_where_nobody_listens_any_more_leads_nobody() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    // Another gateway in its place, which does not listen yet.
    let ip = "10.1.0.6".parse().expect("an address");
    let node = None;
    let other = |doors| {
        Arc::new(Gateways(vec![GatewayAt {
            ip,
            node: node.clone(),
            doors,
        }]))
    };
    scene.gateways.send_replace(other(BTreeSet::new()));
    scene.until(|scene| !scene.exit.is_led()).await;
    scene.gateways.send_replace(other(NUMBERS.collect()));
    let took = scene.until(|scene| scene.exit.is_led()).await;
    assert!(took >= SECOND, "{took:?}");
    assert_eq!(scene.slice().expect("it is there").0, ["10.1.0.6"]);
}

#[tokio::test(start_paused = true)]
async fn a_slice_is_ours_goes_with_its_service_and_names_its_ports() {
    let named = service("flowers", |service| {
        service["spec"]["ports"] = json!([{
            "name": "api", "port": 80, "targetPort": 8080, "appProtocol": "kubernetes.io/ws",
        }]);
    });
    let mut scene = Scene::with(named).await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    let slice = scene.api.get(SLICE).expect("it is there");
    let number = scene.slice().expect("it is there").1[0];
    assert_eq!(
        slice["metadata"]["labels"],
        json!({
            "endpointslice.kubernetes.io/managed-by": "holdgate.dev",
            "kubernetes.io/service-name": "flowers",
        })
    );
    let owner = json!([{
        "apiVersion": "v1", "kind": "Service", "name": "flowers", "uid": "uid-flowers",
    }]);
    assert_eq!(slice["metadata"]["ownerReferences"], owner);
    let port = json!([{
        "name": "api", "port": number, "protocol": "TCP", "appProtocol": "kubernetes.io/ws",
    }]);
    assert_eq!(
        (&slice["addressType"], &slice["ports"]),
        (&json!("IPv4"), &port)
    );
    let endpoint = json!([{
        "addresses": ["10.1.0.5"],
        "conditions": { "ready": true, "serving": true, "terminating": false },
        "nodeName": "node-1",
    }]);
    assert_eq!(slice["endpoints"], endpoint);
}

#[tokio::test(start_paused = true)]
async fn a_slice_has_addresses_of_a_kind_that_its_service_and_a_gateway_have() {
    let two = service("flowers", |service| {
        service["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    });
    let mut scene = Scene::with(two).await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    let ip = "fd00::5".parse().expect("an address");
    let doors: BTreeSet<u16> = NUMBERS.collect();
    scene
        .gateways
        .send_replace(Arc::new(Gateways(vec![GatewayAt {
            ip,
            node: None,
            doors,
        }])));
    scene.until(|scene| !scene.exit.is_led()).await;
    scene.until(|scene| scene.exit.is_led()).await;
    let slice = scene.api.get(SLICE).expect("it is there");
    assert_eq!(slice["addressType"], "IPv6");
    assert_eq!(scene.slice().expect("it is there").0, ["fd00::5"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_callers_stay_on_their_own_node_is_named_and_not_led() {
    let local = service("flowers", |service| {
        service["spec"]["internalTrafficPolicy"] = "Local".into();
    });
    let mut scene = Scene::with(local).await;
    scene.says(true, false);
    scene.wishes(CallerPath::Always);
    sleep(10 * SECOND).await;
    assert_eq!(
        (scene.slice(), scene.selector()),
        (None, json!({ "app": "flowers" }))
    );
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].contains("internalTrafficPolicy: Local"),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slice_of_before_nodes_were_said_is_told_them_and_keeps_those_it_has() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(Scene::is_inside).await;
    let node = |scene: &Scene| {
        scene.api.get(SLICE).expect("it is there")["endpoints"][0]["nodeName"].clone()
    };
    let mut slice = scene.api.get(SLICE).expect("it is there");
    slice["endpoints"][0]
        .as_object_mut()
        .expect("one")
        .remove("nodeName");
    scene.api.put(SLICE, slice);
    scene.until(|scene| node(scene) == "node-1").await;
    // Nobody is known: who was there stays as it was.
    scene.gateways.send_replace(Arc::default());
    sleep(5 * SECOND).await;
    assert_eq!(node(&scene), "node-1");
}
