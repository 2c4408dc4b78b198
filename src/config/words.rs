//! Names, hosts, addresses and commands: text with a shape of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::complaint::Complaints;
use super::tree::{Node, Value};
use super::value::{list, text, wanted};
use crate::state::Place;

/// Longest name of a revision: what DNS allows a label, as the name becomes one in a cluster.
const LONGEST_NAME: usize = 63;

/// A revision's name: it appears in labels, paths and log lines.
pub(super) fn name(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let name = text(node, complaints)?;
    if is_name(&name) {
        return Some(name);
    }
    let what = "a name of at most 63 lower-case letters, digits, -, . and _ \
                that begins and ends with a letter or digit";
    wanted(node, what, complaints)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST_NAME
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name
            .chars()
            .all(|c| plain(c) || matches!(c, '-' | '.' | '_'))
}

/// The nearest allowed name to any text; "model" if nothing of it can be kept.
pub(super) fn sanitised_name(text: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let mapped: String = text.to_ascii_lowercase().chars().map(kept).collect();
    let edge = |c: char| !c.is_ascii_alphanumeric();
    let begun: String = mapped
        .trim_matches(edge)
        .chars()
        .take(LONGEST_NAME)
        .collect();
    match begun.trim_end_matches(edge) {
        "" => "model".to_owned(),
        name => name.to_owned(),
    }
}

/// A list of host names.
pub(super) fn hosts(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    list(node, complaints, "a list of host names", host)
}

/// One exact host name, in lower case.
pub(super) fn host(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let host = text(node, complaints)?.to_ascii_lowercase();
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let what = match host.as_str() {
        h if h.contains('*') => "an exact host name (a lone revision takes every other host)",
        h if h.contains("://") || h.contains('/') => "a host name without scheme and path",
        h if h.contains(':') && !bracketed => "a host name without a port",
        h if h.chars().any(|c| c.is_whitespace() || c.is_control()) => "a host name",
        _ => return Some(host),
    };
    wanted(node, what, complaints)
}

/// A list of model names.
pub(super) fn models(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    list(node, complaints, "a list of model names", model)
}

/// One model name.
pub(super) fn model(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let model = text(node, complaints)?;
    if model.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wanted(node, "a model name without blanks", complaints);
    }
    Some(model)
}

/// The path of a readiness check.
pub(super) fn http_path(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let path = text(node, complaints)?;
    let plain = |c: char| c.is_ascii_graphic() && c != '#';
    if path.starts_with('/') && path.chars().all(plain) {
        return Some(path);
    }
    wanted(node, "a path that begins with /", complaints)
}

/// The name of a header, lower case.
pub(super) fn header_name(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let name = text(node, complaints)?.to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.is_empty() && name.chars().all(token) {
        return Some(name);
    }
    wanted(node, "the name of a header such as x-tenant", complaints)
}

/// The devices of a pool, each once; one text may name several with commas between.
pub(super) fn devices(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    let named = list(node, complaints, "a list of devices", device_names)?;
    let mut all: Vec<String> = Vec::new();
    for (name, item) in named.into_iter().zip(node.items()).flat_map(each) {
        if all.contains(&name) {
            complaints
                .push(item.complaint(format!("wanted each device once, {name} is there twice")));
            return None;
        }
        all.push(name);
    }
    Some(all)
}

fn each((names, item): (Vec<String>, &Node)) -> impl Iterator<Item = (String, &Node)> {
    names.into_iter().map(move |name| (name, item))
}

fn device_names(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    let names = text(node, complaints)?;
    let names: Vec<String> = names.split(',').map(|n| n.trim().to_owned()).collect();
    if names.iter().all(|name| is_device(name)) {
        return Some(names);
    }
    let what = "the index of a device, or a name that begins with GPU- or MIG-";
    wanted(node, what, complaints)
}

fn is_device(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/');
    let is_index = !name.is_empty() && name.chars().all(|c| c.is_ascii_digit());
    let is_named = ["GPU-", "MIG-"]
        .iter()
        .any(|p| name.starts_with(p) && name.len() > p.len());
    is_index || (is_named && name.chars().all(plain))
}

/// A directory; whether it exists is found out when it is used.
pub(super) fn directory(node: &Node, complaints: &mut Complaints) -> Option<PathBuf> {
    text(node, complaints).map(PathBuf::from)
}

/// A directory to keep things in, or `off`.
pub(super) fn place(node: &Node, complaints: &mut Complaints) -> Option<Place> {
    match &node.value {
        Value::Text { text, .. } if text == "off" => Some(Place::Off),
        Value::Text { text, .. } if !text.is_empty() => Some(Place::Dir(text.into())),
        _ => wanted(node, "a directory, or off", complaints),
    }
}

/// A command: the program and its arguments.
pub(super) fn command(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    let what = r#"a list such as [my-server, --port, "{port}"]"#;
    // An argument may be empty, the program may not.
    let argument = |node: &Node, complaints: &mut Complaints| match &node.value {
        Value::Text { text, .. } => Some(text.clone()),
        _ => wanted(node, "some text", complaints),
    };
    let words = list(node, complaints, what, argument)?;
    match words.first() {
        Some(program) if !program.is_empty() => Some(words),
        Some(_) => wanted(node, "a program as the first word", complaints),
        None => wanted(node, what, complaints),
    }
}

/// Environment variables, in the order they were written.
pub(super) fn environment(
    node: &Node,
    complaints: &mut Complaints,
) -> Option<Vec<(String, String)>> {
    let Value::Map(entries) = &node.value else {
        return wanted(node, "a map of names and values", complaints);
    };
    let mut read = Vec::new();
    for entry in entries {
        let value = match &entry.node.value {
            Value::Text { text, .. } if !text.contains('\0') => Some(text.clone()),
            _ => wanted(&entry.node, "some text", complaints),
        };
        if entry.key == "PORT" {
            let message = "wanted another name: PORT carries the port that was chosen";
            complaints.push(entry.node.complaint(message));
        } else if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            complaints.push(entry.node.complaint("wanted the name of a variable"));
        } else if let Some(value) = value {
            read.push((entry.key.clone(), value));
        }
    }
    Some(read)
}

/// An address to listen on.
pub(super) fn address(node: &Node, complaints: &mut Complaints) -> Option<SocketAddr> {
    match parse_address(node) {
        Some(address) => Some(address),
        None => wanted(
            node,
            "an address and a port such as 127.0.0.1:8080",
            complaints,
        ),
    }
}

/// An address to listen on, or `off`.
#[expect(
    clippy::option_option,
    reason = "outside: could it be read; inside: is it on"
)]
pub(super) fn address_or_off(
    node: &Node,
    complaints: &mut Complaints,
) -> Option<Option<SocketAddr>> {
    if matches!(&node.value, Value::Text { text, .. } if text == "off") {
        return Some(None);
    }
    match parse_address(node) {
        Some(address) => Some(Some(address)),
        None => wanted(
            node,
            "an address and a port such as 127.0.0.1:9090, or off",
            complaints,
        ),
    }
}

fn parse_address(node: &Node) -> Option<SocketAddr> {
    match &node.value {
        Value::Text { text, .. } => text.parse().ok(),
        _ => None,
    }
}
