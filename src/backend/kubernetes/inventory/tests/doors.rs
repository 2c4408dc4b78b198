//! Services whose callers pass the gate: whose they are while their selector is taken away, and where the
//! gateways listen for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::ServiceDoor;
use crate::backend::kubernetes::doors::Spoken;
use crate::backend::kubernetes::doors::facts::{
    Family, ServicePort, ServiceView, SlicePort, SliceView, Target,
};
use crate::backend::kubernetes::inventory::facts::{Fact, Service};
use crate::backend::kubernetes::inventory::{Change, Inventory, Named, Source, SourceId, Tells};
use crate::backend::kubernetes::objects::Workload;

/// A Service for the pods of `app`, taken away or not.
fn service_of(name: &str, app: &str, taken: bool, headless: bool) -> Named {
    let own = labels(&[("app", app)]);
    let nothing = labels(&[("holdgate.dev/nothing", "here")]);
    let view = ServiceView {
        at: at("v1", "Service", name, &format!("service-{name}")),
        resource_version: "1".into(),
        selector: if taken { nothing } else { own.clone() },
        kept: taken.then_some(own),
        headless,
        local: false,
        families: vec![Family::V4],
        ports: Vec::new(),
        made: false,
    };
    named(
        name,
        Fact::Service(Service {
            selector: view.effective(),
            ports: Vec::new(),
            owner: None,
            component: None,
            view: Arc::new(view),
        }),
    )
}

fn slice(service: &str, made: u64, number: u16) -> Named {
    let name = format!("{service}-holdgate");
    let slice = SliceView {
        at: at("discovery.k8s.io/v1", "EndpointSlice", &name, &name),
        resource_version: "1".into(),
        created: moment(made),
        service: service.into(),
        owner: None,
        family: Family::V4,
        ports: vec![SlicePort {
            name: Some("http".into()),
            number,
            app_protocol: None,
        }],
        addresses: BTreeSet::new(),
        nodes: BTreeMap::new(),
    };
    named(&name, Fact::Slice(slice))
}

fn doors(inventory: &mut Inventory, name: &str) -> Vec<(String, u16, bool)> {
    let claim = inventory.claim(name);
    let all = claim.doors.iter();
    all.map(|door: &ServiceDoor| (door.service.to_string(), door.number, door.by_host))
        .collect()
}

#[test]
fn a_service_whose_selector_was_taken_away_still_leads_to_its_workload() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(OTHERS, service_of("garden", "flowers", true, false));
    let claim = inventory.claim("flowers.default");
    assert_eq!(claim.services.keys().collect::<Vec<_>>(), ["garden"]);
    assert!(claim.doors.is_empty());
}

#[test]
fn what_ports_of_services_say_is_spoken_is_told_and_followed() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    let mut say = |name: Option<&str>, app_protocol: Option<&str>, tcp: bool| {
        let mut garden = service_of("garden", "flowers", false, false);
        let Fact::Service(service) = &mut garden.fact else {
            unreachable!("it is one");
        };
        let mut view = (*service.view).clone();
        view.ports.push(ServicePort {
            name: name.map(str::to_owned),
            number: 80,
            target: Target::Number(8080),
            app_protocol: app_protocol.map(str::to_owned),
            tcp,
        });
        service.view = Arc::new(view);
        inventory.put(OTHERS, garden);
        let spoken = inventory.claim("flowers.default").spoken.clone();
        let to = |it: &Spoken| it.target == Target::Number(8080);
        assert!(spoken.iter().all(to), "{spoken:?}");
        spoken.first().map(|it| it.http2)
    };
    for word in ["kubernetes.io/h2c", "h2c", "http2", "grpc"] {
        assert_eq!(say(Some("http"), Some(word), true), Some(true), "{word}");
    }
    for word in ["http", "kubernetes.io/ws", "https"] {
        assert_eq!(say(Some("grpc"), Some(word), true), Some(false), "{word}");
    }
    for name in ["h2c", "http2", "http2-predict", "grpc", "grpc-predict"] {
        assert_eq!(say(Some(name), None, true), Some(true), "{name}");
    }
    for name in ["http", "http-api", "grpc-web"] {
        assert_eq!(say(Some(name), None, true), Some(false), "{name}");
    }
    assert_eq!(say(Some("api"), None, true), None);
    assert_eq!(say(None, None, true), None);
    assert_eq!(say(Some("grpc"), None, false), None);
}

#[test]
fn a_service_that_is_applied_again_while_it_is_taken_still_leads_to_its_workload() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    let mut applied = service_of("garden", "flowers", true, false);
    let Fact::Service(service) = &mut applied.fact else {
        unreachable!("it is one");
    };
    let mut view = (*service.view).clone();
    view.selector.insert("app".to_owned(), "flowers".to_owned());
    (service.selector, service.view) = (view.effective(), Arc::new(view));
    inventory.put(OTHERS, applied);
    let claim = inventory.claim("flowers.default");
    assert_eq!(claim.services.keys().collect::<Vec<_>>(), ["garden"]);
}

#[test]
fn a_service_that_leads_to_a_workload_that_is_not_ours_as_well_is_shared() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(OTHERS, service_of("garden", "flowers", false, false));
    let shared = |inventory: &mut Inventory| inventory.claim("flowers.default").shared.len();
    assert_eq!(shared(&mut inventory), 0);
    let canary = || Workload {
        template: workload("Deployment", "flowers").template,
        ..workload("Deployment", "canary")
    };
    inventory.put_workload(canary());
    assert_eq!(shared(&mut inventory), 1);
    let made = at("apps/v1", "Deployment", "flowers", "Deployment-flowers");
    inventory.put_workload(Workload {
        owner: Some(made),
        ..canary()
    });
    assert_eq!(shared(&mut inventory), 0, "its own");
    inventory.put_workload(Workload {
        terminating: true,
        ..canary()
    });
    assert_eq!(shared(&mut inventory), 0, "it goes");
}

#[test]
fn the_gateways_listen_where_our_slice_says() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(OTHERS, service_of("garden", "flowers", false, false));
    inventory.put(OTHERS, slice("garden", 1, 20007));
    let door = |number, by_host| [("garden".to_owned(), number, by_host)];
    assert_eq!(doors(&mut inventory, "flowers.default"), door(20007, false));
    inventory.put(OTHERS, service_of("garden", "flowers", false, true));
    assert_eq!(doors(&mut inventory, "flowers.default"), door(20007, true));
    inventory.lose(OTHERS, "garden-holdgate");
    assert_eq!(doors(&mut inventory, "flowers.default"), []);
}

#[test]
fn a_number_that_two_slices_have_is_the_olders() {
    let mut inventory = inventory();
    for name in ["flowers", "roses"] {
        inventory.put_workload(enabled("Deployment", name));
        inventory.put(OTHERS, service_of(name, name, false, false));
    }
    inventory.put(OTHERS, slice("flowers", 2, 20007));
    assert_eq!(doors(&mut inventory, "flowers.default").len(), 1);
    inventory.put(OTHERS, slice("roses", 1, 20007));
    assert_eq!(doors(&mut inventory, "flowers.default"), []);
    assert_eq!(doors(&mut inventory, "roses.default").len(), 1);
    inventory.lose(OTHERS, "roses-holdgate");
    assert_eq!(doors(&mut inventory, "flowers.default").len(), 1);
}

#[test]
fn where_nobody_tells_of_services_is_known_by_namespace() {
    let source = |namespace: &str| Source {
        tells: Tells::Doors,
        namespace: Some(namespace.into()),
    };
    let mut inventory = Inventory::new(vec![source("a"), source("b")], None);
    let hears = |inventory: &Inventory| {
        let sight = inventory.door_sight();
        ["a", "b"].map(|namespace| sight.hears(&namespace.into()))
    };
    inventory.take(SourceId(0), Change::Heard(true));
    assert_eq!(hears(&inventory), [true, false]);
    inventory.take(SourceId(1), Change::Heard(true));
    assert_eq!(hears(&inventory), [true, true]);
}
