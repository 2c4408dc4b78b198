//! Answers that a person writes down for certain paths.

use super::complaint::Complaints;
use super::key::{About, Key, Shape, Table, keys};
use super::layers::{Layer, Layers};
use super::tree::{Node, Value};
use super::value::{list, text, wanted, whole};
use super::words::http_path;
use crate::revision::Canned;

/// Largest body: it is kept for every revision, and is no page of a site.
const LARGEST: usize = 32 * 1024;

keys! {
    /// The keys of an entry.
    ENTRY {
    PATH: String = "path", --"" "" NoFlag, "", http_path,
        "The path it is the answer to, whatever its query is";
    STATUS: u16 = "status", --"" "" NoFlag, "200", |n, c| whole(n, c, 200..=599),
        "Its status";
    BODY: String = "body", --"" "" NoFlag, "", body,
        "Its body, at most 32 KiB; when not written, none";
    CONTENT_TYPE: String = "contentType", --"" "" NoFlag, "text/plain; charset=utf-8", content_type,
        "What its body is";
    }
}

/// A list of answers, each path once.
pub(super) fn probe_responses(node: &Node, complaints: &mut Complaints) -> Option<Vec<Canned>> {
    let all = list(node, complaints, "a list of answers", entry)?;
    for (place, (answer, item)) in all.iter().zip(node.items()).enumerate() {
        if all[..place].iter().any(|before| before.path == answer.path) {
            let path = &answer.path;
            let message = format!("wanted each path once, {path} is there twice");
            complaints.push(item.complaint(message));
            return None;
        }
    }
    Some(all)
}

fn entry(node: &Node, complaints: &mut Complaints) -> Option<Canned> {
    if !matches!(node.value, Value::Map(_)) {
        let what = r#"an answer such as { path: /status, body: "ok" }"#;
        return wanted(node, what, complaints);
    }
    let layer = Layer::read(node, ENTRY, complaints);
    let layers = Layers::new(vec![&layer]);
    if layers.node(&PATH).is_none() {
        complaints.push(node.missing(PATH.about.path, "a path in every answer"));
    }
    Some(Canned {
        path: layers.written(&PATH)?,
        status: layers.value(&STATUS),
        body: layers.written(&BODY).unwrap_or_default(),
        content_type: layers.value(&CONTENT_TYPE),
    })
}

fn body(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let body = text(node, complaints)?;
    if body.len() <= LARGEST {
        return Some(body);
    }
    wanted(node, "at most 32 KiB", complaints)
}

fn content_type(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let kind = text(node, complaints)?;
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if kind.contains('/') && kind.chars().all(plain) {
        return Some(kind);
    }
    wanted(node, "a media type such as application/json", complaints)
}
