//! What the keeper of doors promises, in virtual time against an API server in memory, which it sees
//! through the catalog as a gateway does.

mod fights;
mod numbers;
mod owner;
mod slices;
mod taking;
mod trouble;
mod zero;

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
    catalog: Catalog,
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
    let node = Some("node-1".into());
    Arc::new(Gateways(vec![GatewayAt { ip, node, doors }]))
}

impl Scene {
    async fn new() -> Self {
        Self::with(service("flowers", |_| {})).await
    }

    async fn with(service: Value) -> Self {
        Self::begin(service, NUMBERS).await
    }

    /// With these numbers alone.
    async fn numbered(numbers: RangeInclusive<u16>) -> Self {
        Self::begin(service("flowers", |_| {}), numbers).await
    }

    async fn begin(service: Value, numbers: RangeInclusive<u16>) -> Self {
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
        let keeper = Doorkeeper::start(api.client(), told.clone(), inputs, numbers);
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
            catalog,
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

    /// From now on a policy takes the selector with every write, and keeps what it was.
    fn admits_without_selector(&self) {
        let (at, kept) = (
            "/services/flowers",
            json!({ facts::SELECTOR: "app=flowers" }),
        );
        self.api.admit(at, "/spec/selector", taken());
        self.api.admit(at, "/metadata/annotations", kept);
    }
}

fn taken() -> Value {
    json!({ "holdgate.dev/nothing": "here" })
}
