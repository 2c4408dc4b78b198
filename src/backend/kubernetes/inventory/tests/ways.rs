//! The ways to a claim's pods: the services that lead there, and the routes to them and to the gateway.

use std::time::Duration;

use super::samples::*;
use super::support::*;

#[test]
fn the_services_that_lead_to_its_pods_are_found_by_their_selector() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(
        OTHERS,
        service("narrow", &[("app", "flowers"), ("tier", "model")], None),
    );
    inventory.put(OTHERS, service("wide", &[("tier", "model")], None));
    inventory.put(
        OTHERS,
        service("else", &[("app", "flowers"), ("tier", "web")], None),
    );
    let services = inventory.claim("flowers.default").services.clone();
    assert_eq!(services.into_keys().collect::<Vec<_>>(), ["narrow", "wide"]);
}

#[test]
fn a_service_made_for_a_component_is_its_own_wherever_it_leads() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    inventory.put(
        OTHERS,
        service("ext-predictor", &[("nobody", "x")], Some("isvc-ext")),
    );
    inventory.put(
        OTHERS,
        service("else", &[("nobody", "x")], Some("isvc-else")),
    );
    let services = inventory.claim("ext-predictor.default").services.clone();
    assert_eq!(services.into_keys().collect::<Vec<_>>(), ["ext-predictor"]);
}

#[test]
fn a_route_that_may_cut_its_requests_short_is_remarked() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(OTHERS, service("flowers", &[("app", "flowers")], None));
    inventory.put(
        OTHERS,
        route("of-ext", Some("isvc-ext"), &[("default", "nobody", 60)]),
    );
    inventory.put(
        OTHERS,
        route(
            "to-it",
            None,
            &[("default", "flowers", 30), ("default", "x", 5)],
        ),
    );
    inventory.put(OTHERS, route("elsewhere", None, &[("other", "flowers", 1)]));
    let mut remarks = |name: &str| {
        let claim = inventory.claim(name);
        let remarks = claim.remarks.iter();
        remarks
            .map(|it| (it.route.name.to_string(), it.timeout))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        remarks("ext-predictor.default"),
        [("of-ext".into(), Duration::from_secs(60))]
    );
    assert_eq!(
        remarks("flowers.default"),
        [("to-it".into(), Duration::from_secs(30))]
    );
    assert!(inventory.entrances().is_empty());
}

#[test]
fn a_route_to_the_gateway_is_told_with_its_hosts() {
    let mut inventory = inventory();
    let own = ("holdgate-system", "holdgate-gateway", 60);
    inventory.put(OTHERS, route("in", None, &[("default", "flowers", 5), own]));
    assert!(inventory.settle().entrances);
    let entrance = inventory.entrances()[0].clone();
    assert_eq!(
        (&*entrance.route.name, entrance.timeout),
        ("in", Duration::from_secs(60))
    );
    assert!(entrance.takes("flowers.example.com"));
    assert!(!entrance.takes("example.com") && !entrance.takes("flowers.example.org"));
    assert!(!inventory.settle().entrances);
}
