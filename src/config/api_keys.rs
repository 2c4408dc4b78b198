//! API keys as a person writes them: by their digest, so that a file may be read by whoever may not
//! ask. A complaint never quotes what stands where a digest should: it may be the key itself.

use super::complaint::Complaints;
use super::key::{About, Key, Shape, Table, keys};
use super::layers::{Layer, Layers};
use super::nearest::{or_the_nearest, similar};
use super::tree::{Node, Value};
use super::value::{choice, list, text, truth, wanted};
use super::words::name;
use crate::admission::Class;
use crate::callers::ApiKey;
use crate::revision::RevisionId;

keys! {
    /// The keys of an entry.
    ENTRY {
    NAME: String = "name", --"" "" NoFlag, "", name,
        "What it is called";
    SHA256: [u8; 32] = "sha256", --"" "" NoFlag, "", digest,
        "The SHA-256 of the key, as 64 hexadecimal digits";
    TENANT: String = "tenant", --"" "" NoFlag, "", tenant,
        "Who shares with whom; when not written, the name";
    CLASS: Class = "class", --"" "" NoFlag, "", |n, c| choice(n, c, &Class::ALL.map(|class| (class.as_str(), class))),
        "The class of what comes with it: system, interactive, default or bulk";
    REVISIONS: Vec<String> = "revisions", --"" "" NoFlag, "", revisions,
        "The revisions it opens; when not written, all";
    FORWARD: bool = "forward", --"" "" NoFlag, "false", truth,
        "The replica is told the key, too";
    }
}

/// A list of keys, each of them once.
pub(super) fn api_keys(node: &Node, complaints: &mut Complaints) -> Option<Vec<ApiKey>> {
    if !matches!(node.value, Value::List(_)) {
        complaints.push(node.complaint(ENTRY_WANTED));
        return None;
    }
    let read = list(node, complaints, ENTRY_WANTED, entry)?;
    let before = complaints.len();
    for (place, (key, item)) in read.iter().zip(node.items()).enumerate() {
        let earlier = &read[..place];
        if earlier.iter().any(|other| other.name == key.name) {
            let message = format!("wanted a name of its own, {} is there twice", key.name);
            complaints.push(item.complaint(message));
        }
        if let Some(other) = earlier.iter().find(|other| other.digest == key.digest) {
            let message = format!("wanted a key of its own, it is that of {}", other.name);
            complaints.push(item.complaint(message));
        }
    }
    (complaints.len() == before).then_some(read)
}

fn entry(node: &Node, complaints: &mut Complaints) -> Option<ApiKey> {
    if !matches!(node.value, Value::Map(_)) {
        complaints.push(node.complaint(ENTRY_WANTED));
        return None;
    }
    let before = complaints.len();
    let layer = Layer::read(node, ENTRY, complaints);
    let layers = Layers::new(vec![&layer]);
    for (about, missing, what) in [
        (&NAME.about, layers.node(&NAME).is_none(), "a name"),
        (&SHA256.about, layers.node(&SHA256).is_none(), DIGEST),
    ] {
        if missing {
            complaints.push(node.missing(about.path, what));
        }
    }
    if complaints.len() > before {
        return None;
    }
    let name = layers.written(&NAME)?;
    let revisions = layers.written(&REVISIONS);
    let opened = |all: Vec<String>| all.into_iter().map(RevisionId::new).collect();
    Some(ApiKey {
        digest: layers.written(&SHA256)?,
        tenant: layers
            .written(&TENANT)
            .unwrap_or_else(|| name.clone())
            .into(),
        name: name.into(),
        class: layers.written(&CLASS),
        revisions: revisions.map(opened),
        forwarded: layers.value(&FORWARD),
    })
}

const ENTRY_WANTED: &str = "wanted a list of entries such as { name: team-a, sha256: DIGITS }";
const DIGEST: &str = "64 hexadecimal digits, such as printf %s KEY | sha256sum prints";

fn digest(node: &Node, complaints: &mut Complaints) -> Option<[u8; 32]> {
    let read = node.text().and_then(hex);
    if read.is_none() {
        complaints.push(node.complaint(format!("wanted {DIGEST}")));
    }
    read
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |n: u8| char::from(n).to_digit(16);
        let value = digit(pair[0])? * 16 + digit(pair[1])?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(digest)
}

fn tenant(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let tenant = text(node, complaints)?;
    if tenant.chars().any(char::is_control) {
        return wanted(node, "the name of a tenant", complaints);
    }
    Some(tenant)
}

fn revisions(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    let names = list(node, complaints, "a list of revisions", text)?;
    if names.is_empty() {
        return wanted(node, "at least one revision", complaints);
    }
    Some(names)
}

/// No key speaks of a revision that is not there.
pub(super) fn check_revisions(keys: Option<&Node>, known: &[String], complaints: &mut Complaints) {
    let listed = keys.map_or(&[][..], Node::items).iter();
    let listed = listed.filter_map(|item| item.entry(REVISIONS.about.path));
    for node in listed.flat_map(|entry| entry.node.items()) {
        let Some(word) = node.text().filter(|word| !known.iter().any(|k| k == word)) else {
            continue;
        };
        let nearest = similar(word, known.iter().map(String::as_str));
        let message = format!("no revision is called {word}");
        complaints.push(node.complaint(or_the_nearest(&message, nearest)));
    }
}
