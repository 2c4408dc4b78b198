//! What the keeper of doors promises, in virtual time against an API server in memory, which it sees
//! through the catalog as a gateway does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::backend::kubernetes::catalog::Catalog;
use crate::backend::kubernetes::scope::Scope;
use crate::backend::kubernetes::seams::Notice;
use crate::backend::kubernetes::tests_server::{Fault, Server as Api};

const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/models/endpointslices/flowers-holdgate";
const SERVICE: &str = "/api/v1/namespaces/models/services/flowers";
const NUMBERS: RangeInclusive<u16> = 20000..=29999;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Notice>>>);

impl Announcer for Told {
    fn announce(&self, notice: Notice) {
        self.0.lock().push(notice);
    }
}

/// A namespace with one Service, and a gateway that listens wherever a slice says.
struct Scene {
    api: Api,
    told: Told,
    keeper: Doorkeeper,
    tenure: watch::Sender<Tenure>,
    gateways: watch::Sender<Arc<Gateways>>,
    exit: Exit,
    wish: Passages,
    _catalog: Catalog,
}

fn service(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut service = json!({
        "metadata": { "name": name, "namespace": "models", "uid": format!("uid-{name}") },
        "spec": {
            "clusterIP": "10.96.0.9",
            "ipFamilies": ["IPv4"],
            "selector": { "app": name },
            "ports": [{ "port": 80, "targetPort": 8080, "protocol": "TCP" }],
        },
    });
    change(&mut service);
    service
}

fn gateway(doors: impl IntoIterator<Item = u16>) -> Arc<Gateways> {
    let ip = "10.1.0.5".parse().expect("an address");
    let doors = doors.into_iter().collect();
    Arc::new(Gateways(vec![GatewayAt { ip, doors }]))
}

impl Scene {
    async fn new() -> Self {
        Self::with(service("flowers", |_| {})).await
    }

    async fn with(service: Value) -> Self {
        let api = Api::default();
        api.put(SERVICE, service);
        let scope = Scope {
            namespaces: vec!["models".to_owned()],
            ..Scope::default()
        };
        let catalog = Catalog::start(api.client(), scope);
        let steers = Tenure {
            steers: true,
            ..Tenure::default()
        };
        let tenure = watch::Sender::new(steers);
        let gateways = watch::Sender::new(gateway(NUMBERS));
        let told = Told::default();
        let inputs = Inputs {
            sight: catalog.doors(),
            gateways: gateways.subscribe(),
            tenure: tenure.subscribe(),
        };
        let keeper = Doorkeeper::start(api.client(), told.clone(), inputs, NUMBERS);
        let exit = keeper.exit();
        sleep(3 * SECOND).await;
        Self {
            api,
            told,
            keeper,
            tenure,
            gateways,
            exit,
            wish: Passages::default(),
            _catalog: catalog,
        }
    }

    fn wishes(&mut self, path: CallerPath) {
        self.wish.wished = match path {
            CallerPath::Host => BTreeMap::new(),
            _ => BTreeMap::from([(RevisionId::new("flowers.models"), self.passage(path))]),
        };
        self.keeper.lead(self.wish.clone());
    }

    fn passage(&self, path: CallerPath) -> Passage {
        Passage {
            owner: ObjectRef {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: "models".into(),
                name: "flowers".into(),
                uid: "u".into(),
            },
            path,
            services: BTreeSet::from(["flowers".into()]),
            server: Server {
                port: 8080,
                names: BTreeMap::from([("http".to_owned(), 8080)]),
            },
            exit: self.exit.clone(),
        }
    }

    fn says(&self, ready: bool, leaving: bool) {
        self.exit.say(Word { ready, leaving });
    }

    /// Addresses and numbers of the slice; `None` where there is none.
    fn slice(&self) -> Option<(Vec<String>, Vec<u64>)> {
        let slice = self.api.get(SLICE)?;
        let text = |it: &Value| it["addresses"][0].as_str().expect("an address").to_owned();
        let number = |it: &Value| it["port"].as_u64().expect("a number");
        let all = |key: &str| slice[key].as_array().expect("a list").clone();
        Some((
            all("endpoints").iter().map(text).collect(),
            all("ports").iter().map(number).collect(),
        ))
    }

    fn is_inside(&self) -> bool {
        self.slice()
            .is_some_and(|(addresses, _)| !addresses.is_empty())
    }

    fn selector(&self) -> Value {
        self.api.get(SERVICE).expect("it is there")["spec"]["selector"].clone()
    }

    fn kept(&self) -> Value {
        let service = self.api.get(SERVICE).expect("it is there");
        service["metadata"]["annotations"][facts::SELECTOR].clone()
    }

    /// Somebody writes the selector.
    fn set_back(&self) {
        let mut service = self.api.get(SERVICE).expect("it is there");
        service["spec"]["selector"] = json!({ "app": "flowers" });
        self.api.put(SERVICE, service);
    }

    fn told(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.told.0.lock());
        told.iter().map(|it| it.reason.to_string()).collect()
    }

    fn said(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.told.0.lock());
        told.into_iter().map(|it| it.message).collect()
    }

    /// How long it takes until something is so.
    async fn until(&self, what: impl Fn(&Self) -> bool) -> Duration {
        let began = Instant::now();
        let so = async {
            while !what(self) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(600 * SECOND, so).await.expect("it comes to be so");
        began.elapsed()
    }
}

fn taken() -> Value {
    json!({ "holdgate.dev/nothing": "here" })
}

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
    scene.until(|scene| !scene.exit.is_led()).await;
    sleep(SECOND + SECOND / 10).await;
    // The call that takes it out is under way, and may be heard at any moment.
    scene.says(true, true);
    sleep(SECOND).await;
    assert!(scene.is_inside() && !scene.exit.is_led());
    scene.until(|scene| scene.exit.is_led()).await;
}

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
    // The policy takes it with every write, and keeps what it was.
    let kept = json!({ facts::SELECTOR: "app=flowers" });
    scene
        .api
        .admit("/services/flowers", "/spec/selector", taken());
    scene
        .api
        .admit("/services/flowers", "/metadata/annotations", kept);
    scene.told();
    scene.wishes(CallerPath::Host);
    sleep(30 * SECOND).await;
    assert_eq!(scene.told(), ["PathNotGivenBack"]);
    assert!(scene.is_inside(), "callers still find the gateway");
}

#[tokio::test(start_paused = true)]
async fn an_address_where_nobody_listens_any_more_leads_nobody() {
    let mut scene = Scene::new().await;
    scene.says(false, false);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| scene.exit.is_led()).await;
    // Another gateway in its place, which does not listen yet.
    let ip = "10.1.0.6".parse().expect("an address");
    let other = |doors: BTreeSet<u16>| Arc::new(Gateways(vec![GatewayAt { ip, doors }]));
    scene.gateways.send_replace(other(BTreeSet::new()));
    scene.until(|scene| !scene.exit.is_led()).await;
    scene.gateways.send_replace(other(NUMBERS.collect()));
    let took = scene.until(|scene| scene.exit.is_led()).await;
    assert!(took >= SECOND, "{took:?}");
    assert_eq!(scene.slice().expect("it is there").0, ["10.1.0.6"]);
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
