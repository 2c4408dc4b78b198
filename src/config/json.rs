//! JSON values, as an API server tells them, as trees.

use super::complaint::Origin;
use super::tree::{Entry, Node, Value, below};

/// A JSON value as if it had been written at this origin. Only what is a string there is quoted.
pub(super) fn tree(origin: &Origin, json: &serde_json::Value) -> Node {
    node(origin, String::new(), json)
}

fn node(origin: &Origin, path: String, json: &serde_json::Value) -> Node {
    let plain = |text: String| Value::Text {
        text,
        quoted: false,
    };
    let value = match json {
        serde_json::Value::Null => Value::Nothing,
        serde_json::Value::Bool(truth) => plain(truth.to_string()),
        serde_json::Value::Number(number) => plain(number.to_string()),
        serde_json::Value::String(text) => Value::Text {
            text: text.clone(),
            quoted: true,
        },
        serde_json::Value::Array(items) => {
            let item = |(i, item)| node(origin, format!("{path}[{i}]"), item);
            Value::List(items.iter().enumerate().map(item).collect())
        }
        serde_json::Value::Object(map) => {
            let entry = |(key, value): (&String, &serde_json::Value)| Entry {
                key: key.clone(),
                origin: origin.clone(),
                node: node(origin, below(&path, key), value),
            };
            Value::Map(map.iter().map(entry).collect())
        }
    };
    Node {
        origin: origin.clone(),
        path,
        value,
    }
}
