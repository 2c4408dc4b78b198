//! What is read of API keys, and that nothing which may be one is ever told.

use super::{complaints, meaning, revision};
use crate::admission::Class;
use crate::revision::RevisionId;

/// The digest of `alpha`, and of `beta`.
const ALPHA: &str = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
const BETA: &str = "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753";

fn file(keys: &str) -> String {
    format!("apiKeys: {keys}\n{}", revision("minReplicas: 0"))
}

#[test]
fn a_key_is_read_with_what_it_opens() {
    let written = format!(
        "[{{ name: a, sha256: {ALPHA} }}, {{ name: b, sha256: {}, tenant: Team B, class: bulk, \
         revisions: [a], forward: true }}]",
        BETA.to_uppercase()
    );
    let ring = meaning(&file(&written)).api_keys;
    let alpha = ring.find(b"alpha").expect("it is there");
    assert_eq!((&*alpha.name, &*alpha.tenant), ("a", "a"));
    assert_eq!((alpha.class, alpha.forwarded), (None, false));
    assert_eq!(alpha.revisions, None);
    let beta = ring.find(b"beta").expect("it is there");
    assert_eq!((&*beta.name, &*beta.tenant), ("b", "Team B"));
    assert_eq!((beta.class, beta.forwarded), (Some(Class::Bulk), true));
    assert_eq!(beta.revisions, Some([RevisionId::new("a")].into()));
    assert_eq!(ring.find(b"gamma"), None);
}

#[test]
fn what_is_wrong_with_a_key_is_told_without_it() {
    let check = |keys: &str, want: &[&str]| {
        let told = complaints(&file(keys));
        assert_eq!(told, want, "{keys}");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    };
    let digits = "wanted 64 hexadecimal digits, such as printf %s KEY | sha256sum prints";
    let list = "wanted a list of entries such as { name: team-a, sha256: DIGITS }";
    check("hunter2", &[&format!("a.yaml:1:10: apiKeys: {list}")]);
    check("[hunter2]", &[&format!("a.yaml:1:11: apiKeys[0]: {list}")]);
    check(
        "[{ name: a, sha256: hunter2 }]",
        &[&format!("a.yaml:1:30: apiKeys[0].sha256: {digits}")],
    );
    check(
        "[{ name: a }]",
        &[
            "a.yaml:1:11: apiKeys[0].sha256: is missing, wanted 64 hexadecimal digits, such as printf %s KEY | sha256sum prints",
        ],
    );
    check(
        "[{ name: a, key: hunter2 }]",
        &[
            "a.yaml:1:11: apiKeys[0].sha256: is missing, wanted 64 hexadecimal digits, such as printf %s KEY | sha256sum prints",
            "a.yaml:1:22: apiKeys[0].key: unknown key",
        ],
    );
    check(
        &format!("[{{ name: a, sha256: {ALPHA}, class: fast, revisions: [] }}]"),
        &[
            "a.yaml:1:103: apiKeys[0].class: wanted system or interactive or default or bulk, not fast",
            "a.yaml:1:120: apiKeys[0].revisions: wanted at least one revision, not a list",
        ],
    );
    check(
        &format!("[{{ name: a, sha256: {ALPHA} }}, {{ name: a, sha256: {ALPHA} }}]"),
        &[
            "a.yaml:1:98: apiKeys[1]: wanted a name of its own, a is there twice",
            "a.yaml:1:98: apiKeys[1]: wanted a key of its own, it is that of a",
        ],
    );
    check(
        &format!("[{{ name: a, sha256: {ALPHA}, revisions: [a, flowers] }}]"),
        &["a.yaml:1:111: apiKeys[0].revisions[1]: no revision is called flowers"],
    );
}

#[test]
fn what_is_printed_of_a_configuration_holds_no_digest() {
    let config = meaning(&file(&format!("[{{ name: a, sha256: {ALPHA} }}]")));
    let printed = format!("{config:?}");
    let bytes = format!(
        "{:?}",
        &config.api_keys.iter().next().expect("a key").digest
    );
    assert!(
        !printed.contains(ALPHA) && !printed.contains(&bytes),
        "{printed}"
    );
    let told = crate::cli::meaning(&config);
    assert!(
        told.contains("\nkey a of a opens every revision\n"),
        "{told}"
    );
    assert!(!told.contains(ALPHA), "{told}");
}
