//! What is written about TLS, in files and by flags.

use std::path::{Path, PathBuf};

use super::super::{ClientsNeed, Overrides, load_gateway};
use super::{Written, complaints, meaning, overrides, revision};

fn with(tls: &str) -> String {
    format!("tls: {tls}\n{}", revision("minReplicas: 0"))
}

#[test]
fn certificates_are_read_in_their_order_those_of_flags_first() {
    assert_eq!(meaning(&revision("")).tls, None);
    assert_eq!(meaning(&with("{ listen: 127.0.0.1:1 }")).tls, None);
    let text = with("{ certificates: [{ cert: b.crt, key: b.key }, { key: c.key, cert: c.crt }] }");
    let tls = meaning(&text).tls.expect("it is written");
    assert_eq!(tls.listen, "127.0.0.1:8443".parse().expect("an address"));
    let files = ["b.crt", "b.key", "c.crt", "c.key"].map(PathBuf::from);
    assert_eq!(tls.files(), files);
    assert_eq!(tls.client_ca, None);

    let flags = [
        "tls-cert-file=a.crt",
        "tls-key-file=a.key",
        "tls-client-ca-file=ca.crt",
    ];
    let files = Written::new(&[("a.yaml", &text)]);
    let read = files.load(&overrides(&flags, &["HOLDGATE_TLS_LISTEN=[::1]:9"], &[]));
    let tls = read.expect("sound").tls.expect("it is written");
    assert_eq!(tls.listen, "[::1]:9".parse().expect("an address"));
    assert_eq!(tls.certificates[0].cert.path, Path::new("a.crt"));
    assert_eq!(tls.certificates.len(), 3);
    assert_eq!(tls.client_ca.expect("named").path, Path::new("ca.crt"));
    assert_eq!(tls.client_certificates, ClientsNeed::Required);
}

#[test]
fn what_lacks_its_other_half_is_named() {
    for (tls, want) in [
        (
            "{ certFile: a.crt }",
            "a.yaml:1:18: tls.certFile: a.crt: wanted its key as well (tls.keyFile)",
        ),
        (
            "{ keyFile: a.key }",
            "a.yaml:1:17: tls.keyFile: a.key: wanted its certificate as well (tls.certFile)",
        ),
        (
            "{ certificates: [{ cert: a.crt }] }",
            "a.yaml:1:23: tls.certificates[0].key: is missing, wanted the file with its key (PEM)",
        ),
        (
            "{ certificates: [{ cert: a.crt, key: a.key, name: a }] }",
            "a.yaml:1:50: tls.certificates[0].name: unknown key, wanted cert or key",
        ),
        (
            "{ certificates: [a.crt] }",
            "a.yaml:1:23: tls.certificates[0]: wanted a map of cert and key, each a file, not a.crt",
        ),
        (
            "{ clientCaFile: ca.crt }",
            "a.yaml:1:22: tls.clientCaFile: wanted a certificate as well (tls.certFile, tls.keyFile)",
        ),
        (
            "{ certFile: a.crt, keyFile: a.key, clientCertificates: optional }",
            "a.yaml:1:61: tls.clientCertificates: wanted tls.clientCaFile as well: who signs their \
             certificates",
        ),
    ] {
        assert_eq!(complaints(&with(tls)), [want]);
    }
    let maybe = with("{ certFile: a, keyFile: a, clientCaFile: a, clientCertificates: maybe }");
    assert_eq!(
        complaints(&maybe),
        ["a.yaml:1:70: tls.clientCertificates: wanted optional or required, not maybe"]
    );
}

#[test]
fn a_gateway_listens_for_everybody_but_not_among_the_ports_of_services() {
    let flags = ["tls-cert-file=a.crt", "tls-key-file=a.key"];
    let config = load_gateway(&[], &overrides(&flags, &[], &[])).expect("sound");
    let tls = config.tls.expect("it is written");
    assert_eq!(tls.listen, "0.0.0.0:8443".parse().expect("an address"));
    let text = "takeoverPorts: 8400-8500\ntls: { certFile: a.crt, keyFile: a.key }\n";
    let files = Written::new(&[("a.yaml", text)]);
    let told = load_gateway(&files.files, &Overrides::default()).expect_err("they overlap");
    let told = told.to_string();
    assert!(
        told.ends_with(
            "takeoverPorts: wanted ports without that of tls.listen (8443), not 8400-8500"
        ),
        "{told}"
    );
}

#[test]
fn which_line_a_file_is_named_in_is_no_change() {
    let text = with("{ certFile: a.crt, keyFile: a.key }");
    assert_eq!(
        meaning(&text).tls,
        meaning(&format!("# one more\n{text}")).tls
    );
}
