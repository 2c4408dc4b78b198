//! What is written about TLS to replicas, in files, by flags and in annotations.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Overrides, load_gateway, load_to_look, load_to_run};
use super::{Written, complaints, meaning, overrides, revision};

fn with(tls: &str) -> String {
    revision(&format!("upstreamTls: {tls}"))
}

/// A file with the certificate of an authority.
fn authority(dir: &Path) -> PathBuf {
    let signed = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]);
    let file = dir.join("ca.crt");
    std::fs::write(&file, signed.expect("a certificate").cert.pem()).expect("written");
    file
}

#[test]
fn what_lacks_its_other_half_is_named() {
    let lacks = "wanted the authorities of their certificates as well (upstreamTls.caFile), or \
                 upstreamTls.insecureSkipVerify: true";
    for (tls, path, want) in [
        ("{ serverName: a.example }", "serverName", lacks),
        ("{ enabled: true }", "enabled", lacks),
        (
            "{ insecureSkipVerify: true, certFile: a.crt }",
            "certFile",
            "a.crt: wanted its key as well (upstreamTls.keyFile)",
        ),
        (
            "{ insecureSkipVerify: true, keyFile: a.key }",
            "keyFile",
            "a.key: wanted its certificate as well (upstreamTls.certFile)",
        ),
    ] {
        let told = complaints(&with(tls));
        let [told] = told.as_slice() else {
            panic!("{tls}: {told:?}");
        };
        let want = format!("upstreamTls.{path}: {want}");
        assert!(told.ends_with(&want), "{tls}: {told}");
    }
    for tls in [
        "{ enabled: false, serverName: a.example }",
        "{ insecureSkipVerify: false }",
    ] {
        assert_eq!(complaints(&with(tls)), [""; 0], "{tls}");
    }
}

#[test]
fn its_files_are_looked_at_where_something_runs_and_no_further() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let gone = with("{ caFile: gone.crt, certFile: gone.crt, keyFile: gone.key }");
    assert_eq!(meaning(&gone).revisions[0].tls, None);
    let files = ["gone.crt", "gone.key"].map(PathBuf::from);
    assert_eq!(meaning(&gone).replica_files, files);
    let written = Written::new(&[("a.yaml", &gone)]);
    for load in [load_to_run, load_to_look] {
        let told = load(&written.files, &Overrides::default()).expect_err("it is not there");
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let want = "upstreamTls.caFile: gone.crt: it could not be read: no such file";
        assert!(told.len() == 1 && told[0].ends_with(want), "{told:?}");
    }

    let ca = authority(dir.path());
    let text = with(&format!(
        "{{ caFile: {}, serverName: 'a b' }}",
        ca.display()
    ));
    let written = Written::new(&[("a.yaml", &text)]);
    let told = load_to_run(&written.files, &Overrides::default()).expect_err("no name");
    let told = told.to_string();
    let want = "upstreamTls.serverName: wanted a name of DNS or an address";
    assert!(told.contains(want), "{told}");
    let flags = overrides(&["upstream-tls-server-name=a.example"], &[], &[]);
    let read = load_to_run(&written.files, &flags).expect("sound");
    let flags = overrides(&["upstream-tls-server-name=b.example"], &[], &[]);
    let other = load_to_run(&written.files, &flags).expect("sound");
    let tls = |config: &crate::config::Config| config.revisions[0].tls.clone();
    assert!(tls(&read).is_some() && tls(&read) != tls(&other));
    let again = overrides(&["upstream-tls-server-name=a.example"], &[], &[]);
    let again = load_to_run(&written.files, &again).expect("sound");
    assert_eq!(tls(&read), tls(&again));
    authority(dir.path());
    let again = overrides(&["upstream-tls-server-name=a.example"], &[], &[]);
    let again = load_to_run(&written.files, &again).expect("sound");
    assert_ne!(tls(&read), tls(&again), "what the file says counts");
}

#[test]
fn annotations_switch_it_on_with_the_files_of_the_gateway() {
    use super::cluster::annotated_for;

    let dir = tempfile::tempdir().expect("a temporary directory");
    let ca = authority(dir.path());
    let text = format!(
        "defaults: {{ upstreamTls: {{ enabled: false, caFile: {} }} }}",
        ca.display()
    );
    let written = Written::new(&[("gateway.yaml", &text)]);
    let gateway = load_gateway(&written.files, &Overrides::default()).expect("sound");
    assert_eq!(gateway.replica_files(), [ca]);
    let prepared = gateway.replica_tls().expect("sound").expect("it is there");
    let tls = |annotations: serde_json::Value| annotated_for(&annotations, &gateway);
    assert_eq!(tls(json!({})).expect("sound").pod.tls, None);
    let on = json!({ "holdgate.dev/upstream-tls-enabled": "true" });
    assert_eq!(tls(on).expect("sound").pod.tls, Some(prepared.clone()));
    let named = json!({
        "holdgate.dev/upstream-tls-enabled": "true",
        "holdgate.dev/upstream-tls-server-name": "m.team.svc",
    });
    let named = tls(named).expect("sound").pod.tls;
    assert!(named.is_some() && named != Some(prepared));
    for key in ["ca-file", "cert-file", "key-file"] {
        let file = json!({ format!("holdgate.dev/upstream-tls-{key}"): "/etc/passwd" });
        let told = tls(file).expect_err("no file of the gateway's").to_string();
        assert!(told.contains("names a file beside the gate"), "{told}");
    }
}
