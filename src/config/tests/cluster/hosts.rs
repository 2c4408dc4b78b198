//! By which hosts a revision in a cluster is asked for.

use serde_json::json;

use super::*;

fn hosts(settings: &ClaimSettings<'_>, facts: &ClaimFacts, gateway: &GatewayConfig) -> Vec<String> {
    let mut hosts = read_claim(settings, facts, gateway)
        .expect("sound")
        .spec
        .hosts;
    hosts.sort();
    hosts
}

fn sorted(hosts: &[&str]) -> Vec<String> {
    let mut hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    hosts.sort();
    hosts
}

#[test]
fn a_component_has_every_form_of_its_names_with_the_domain_of_the_cluster() {
    let object = service(&json!({}), &json!({ "model": {} }));
    let settings = ClaimSettings::InferenceService(&object, Component::Predictor);
    let facts = ClaimFacts {
        domain: Some("models.example.org".to_owned()),
        ..facts("m-predictor.team")
    };
    let wanted = [
        "m.team.models.example.org",
        "m-team.models.example.org",
        "m.team",
        "m.team.svc",
        "m.team.svc.cluster.local",
        "m-predictor.team.models.example.org",
        "m-predictor-team.models.example.org",
        "m-predictor-default.team.models.example.org",
        "m-predictor.team",
        "m-predictor.team.svc",
        "m-predictor.team.svc.cluster.local",
    ];
    assert_eq!(hosts(&settings, &facts, &plain()), sorted(&wanted));
    let ours = gateway("domain: Ours.Example\n");
    let ours = hosts(&settings, &facts, &ours);
    assert!(ours.contains(&"m.team.ours.example".to_owned()), "{ours:?}");
    assert!(
        !ours.iter().any(|host| host.ends_with("example.org")),
        "{ours:?}"
    );
}

#[test]
fn the_services_own_name_leads_to_its_transformer() {
    let mut object = service(&json!({}), &json!({ "model": {} }));
    object["spec"]["transformer"] = json!({ "containers": [{}] });
    let of = |role: Component| {
        let facts = facts(&format!("m-{}.team", role.as_str()));
        hosts(
            &ClaimSettings::InferenceService(&object, role),
            &facts,
            &plain(),
        )
    };
    let (predictor, transformer) = (of(Component::Predictor), of(Component::Transformer));
    assert!(transformer.contains(&"m-team.example.com".to_owned()));
    assert!(transformer.contains(&"m-transformer.team".to_owned()));
    assert!(predictor.contains(&"m-predictor.team".to_owned()));
    assert!(
        predictor.iter().all(|host| !transformer.contains(host)),
        "nothing leads to both"
    );
}

#[test]
fn a_component_that_is_called_otherwise_is_found_by_that_name_as_well() {
    let named = service(&json!({}), &json!({ "model": {}, "name": "blue" }));
    let settings = ClaimSettings::InferenceService(&named, Component::Predictor);
    let blue = hosts(&settings, &facts("m-blue-predictor.team"), &plain());
    for host in [
        "m-blue-predictor.team.example.com",
        "m-blue-predictor.team.svc",
        "m.team.example.com",
    ] {
        assert!(blue.contains(&host.to_owned()), "{host}");
    }
    let object = service(&json!({}), &json!({ "model": {} }));
    let settings = ClaimSettings::InferenceService(&object, Component::Predictor);
    let old = hosts(&settings, &facts("m-predictor-default.team"), &plain());
    for host in [
        "m-predictor-default.team.svc.cluster.local",
        "m-predictor-default-team.example.com",
        "m-predictor.team",
    ] {
        assert!(old.contains(&host.to_owned()), "{host}");
    }
}

#[test]
fn a_workload_has_its_routes_its_services_and_what_is_written() {
    let object = workload(&json!({ "holdgate.dev/hosts": "Chat.Example, m.team.example.com" }));
    let facts = ClaimFacts {
        services: vec!["svc".to_owned(), "other".to_owned()],
        ..facts("m.team")
    };
    let wanted = [
        "m.team.example.com",
        "m-team.example.com",
        "m.team",
        "svc.team",
        "svc.team.svc",
        "svc.team.svc.cluster.local",
        "other.team",
        "other.team.svc",
        "other.team.svc.cluster.local",
        "chat.example",
    ];
    assert_eq!(
        hosts(&ClaimSettings::Workload(&object), &facts, &plain()),
        sorted(&wanted)
    );
    let chosen = workload(&json!({ "holdgate.dev/service": "mine" }));
    let wanted = [
        "m.team.example.com",
        "m-team.example.com",
        "m.team",
        "mine.team",
        "mine.team.svc",
        "mine.team.svc.cluster.local",
    ];
    assert_eq!(
        hosts(&ClaimSettings::Workload(&chosen), &facts, &plain()),
        sorted(&wanted),
        "only the named one, and its own name"
    );
}
