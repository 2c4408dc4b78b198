//! What of an object its settings are read by: little enough to be kept elsewhere, and without what the
//! environment of its containers says, which is nobody else's business.

use serde_json::{Map, Value};

use super::annotations::KNATIVE;
use super::fields::OF_PODS;
use super::model::PROTOCOL;
use super::ours::OURS;

/// Whose annotations are read.
const READ: [&str; 3] = [OURS, KNATIVE, "serving.kserve.io/"];

const OF_METADATA: [&str; 3] = ["name", "namespace", "annotations"];

/// Of the fields of a pod, the one that is looked into.
const CONTAINERS: &str = "containers";

/// As much of an object as says the same.
pub(in crate::config) fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = map_in(&mut object, "metadata") {
        metadata.retain(|key, _| OF_METADATA.contains(&key.as_str()));
        thin(metadata);
    }
    let spec = map_in(&mut object, "spec");
    let components = spec.into_iter().flat_map(Map::values_mut);
    for component in components.filter_map(Value::as_object_mut) {
        component.retain(|key, _| key == CONTAINERS || !OF_PODS.contains(&key.as_str()));
        thin(component);
        let containers = component.get_mut(CONTAINERS).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(hush);
        component.values_mut().for_each(hush);
    }
    object
}

fn map_in<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(key)?.as_object_mut()
}

/// Leaves of annotations those that are read.
fn thin(around: &mut Map<String, Value>) {
    let annotations = around.get_mut("annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.retain(|key, _| READ.iter().any(|prefix| key.starts_with(prefix)));
    }
}

/// Leaves of a container's environment the one variable that is read.
fn hush(container: &mut Value) {
    let variables = container.get_mut("env").and_then(Value::as_array_mut);
    if let Some(variables) = variables {
        variables.retain(|variable| variable["name"] == PROTOCOL);
    }
}
