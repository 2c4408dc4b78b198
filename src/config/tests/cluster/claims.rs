//! What of a claim its settings are read by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::backend::kubernetes::objects::{Container, Template};
use crate::backend::kubernetes::{Claim, ObjectRef, Settings};
use crate::config::essential;

fn container(name: &str, arg: &str, memory: u64) -> Container {
    Container {
        name: name.to_owned(),
        args: vec![arg.to_owned()],
        memory: Some(memory),
        ..Container::default()
    }
}

fn claim(settings: Settings, containers: Vec<Container>) -> Claim {
    let word = |text: &str| -> Arc<str> { text.into() };
    let owner = ObjectRef {
        api_version: word("serving.kserve.io/v1beta1"),
        kind: word("InferenceService"),
        namespace: word("team"),
        name: word("m"),
        uid: word("1"),
    };
    let template = Template {
        labels: BTreeMap::new(),
        containers,
    };
    Claim {
        revision: RevisionId::new("m-predictor.team"),
        owner,
        created: SystemTime::UNIX_EPOCH,
        settings,
        template: Some(Arc::new(template)),
        services: BTreeMap::from([("svc".to_owned(), Vec::new())]),
        shared: std::collections::BTreeSet::new(),
        doors: Vec::new(),
        spoken: Vec::new(),
        obstacle: None,
        remarks: Vec::new(),
    }
}

#[test]
fn a_claim_is_read_by_its_model_server_and_its_services() {
    let model = json!({ "modelFormat": { "name": "sklearn" } });
    let predictor = json!({ "model": model, "scaleMetric": "memory", "scaleTarget": 50 });
    let object = Arc::new(service(&json!({}), &predictor));
    let containers = vec![
        container("agent", "--model_name=agent", 8 << 30),
        container("kserve-container", "--model_name=mnist", 4 << 30),
    ];
    let settings = Settings::InferenceService(object, Component::Predictor);
    let claim = claim(settings, containers);
    let facts = ClaimFacts::of(&claim, Some("models.example.org".to_owned()));
    let read = read_claim(&ClaimSettings::of(&claim.settings), &facts, &plain()).expect("sound");
    assert_eq!(
        read.spec.scaling.target,
        Some(f64::from(1 << 30) * 2.0),
        "half of 4 GiB"
    );
    assert_eq!(
        read.pod.model.map(|model| model.name).as_deref(),
        Some("mnist")
    );
    for host in ["svc.team.svc", "m.team.models.example.org"] {
        assert!(read.spec.hosts.contains(&host.to_owned()), "{host}");
    }
}

#[test]
fn a_workloads_first_container_is_its_model_server() {
    let object = Arc::new(workload(&json!({ "holdgate.dev/scale-metric": "memory" })));
    let containers = vec![container("a", "", 10 << 30), container("b", "", 5)];
    let claim = claim(Settings::Workload(object), containers);
    let facts = ClaimFacts::of(&claim, None);
    let read = read_claim(&ClaimSettings::of(&claim.settings), &facts, &plain()).expect("sound");
    assert_eq!(
        read.spec.scaling.target,
        Some(f64::from(1 << 30) * 8.0),
        "80 percent of 10 GiB"
    );
}

/// Reads what is kept of settings.
pub(super) fn read_essence(
    settings: &ClaimSettings<'_>,
    facts: &ClaimFacts,
) -> Result<ReadClaim, Complaints> {
    let whole = |object: &Json| Arc::new(object.clone());
    let kept = essential(&match *settings {
        ClaimSettings::InferenceService(object, component) => {
            Settings::InferenceService(whole(object), component)
        }
        ClaimSettings::Workload(object) => Settings::Workload(whole(object)),
    });
    read_claim(&ClaimSettings::of(&kept), facts, &plain())
}

#[test]
fn what_is_kept_of_settings_is_what_they_are_read_by() {
    let variables = json!([
        { "name": "TOKEN", "value": "secret" },
        { "name": "PROTOCOL", "value": "v2" },
    ]);
    let container = json!({ "name": "kserve-container", "image": "i", "env": variables });
    let annotations = json!({ "holdgate.dev/models": "m", "example.com/note": "secret" });
    let predictor = json!({
        "annotations": { "autoscaling.knative.dev/window": "6s", "example.com/note": "secret" },
        "containers": [container],
        "volumes": [{ "name": "secret" }],
        "minReplicas": 2,
        "canary": "a warning",
    });
    let transformer = json!({ "containers": [container] });
    let mut object = service(&annotations, &predictor);
    object["spec"]["transformer"] = transformer;
    object["spec"]["explainer"] = json!({ "art": { "env": variables } });
    object["metadata"]["labels"] = json!({ "secret": "secret" });
    for role in Component::ALL {
        let settings = ClaimSettings::InferenceService(&object, role);
        let facts = facts(&format!("m-{}.team", role.as_str()));
        read_twice(&settings, &facts).expect("sound");
    }
    let kept = essential(&Settings::Workload(Arc::new(object)));
    let Settings::Workload(kept) = kept else {
        panic!("a workload's settings stay those of one");
    };
    assert!(!kept.to_string().contains("secret"), "{kept}");
    let container = &kept["spec"]["predictor"]["containers"][0];
    assert_eq!(
        container["env"],
        json!([{ "name": "PROTOCOL", "value": "v2" }])
    );
}
