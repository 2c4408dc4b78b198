//! What is complained about between keys, revisions and files.

use super::{Written, complaints, meaning, overrides, revision};
use crate::revision::{QueueOrder, Wishes};

#[test]
fn what_is_missing_is_named_where_its_revision_begins() {
    assert_eq!(
        complaints("revisions:\n  - hosts: [a.example]\n"),
        [
            "a.yaml:2:5: revisions[0].name: is missing, wanted a name",
            "a.yaml:2:5: revisions[0].process.command: is missing, wanted a list such as [my-server, --port, \"{port}\"]",
        ]
    );
    assert_eq!(
        complaints("listen: 127.0.0.1:0\n"),
        ["a.yaml:1:1: revisions: wanted at least one revision"]
    );
    assert_eq!(
        complaints("revisions: []\n"),
        ["a.yaml:1:12: revisions: wanted at least one revision"]
    );
    assert_eq!(
        complaints("revisions: [a]\n"),
        ["a.yaml:1:13: revisions[0]: wanted a map, not a"]
    );
    assert_eq!(
        complaints("revisions: a\n").last().map(String::as_str),
        Some("a.yaml:1:12: revisions: wanted a list of revisions, not a")
    );
}

#[test]
fn a_record_too_small_to_tell_anything_is_refused() {
    let settings = |size: &str| format!("recordSize: {size}\n{}", revision("minReplicas: 0"));
    assert_eq!(
        complaints(&settings("1000k")),
        ["a.yaml:1:13: recordSize: wanted a size from 1MiB, not 1000k"]
    );
    assert_eq!(complaints(&settings("1MiB")), [""; 0]);
}

#[test]
fn an_order_of_the_queue_is_read_with_all_that_belongs_to_it() {
    let of = |lines: &str| {
        let config = crate::config::load_text(
            std::path::Path::new("a.yaml"),
            &revision(lines),
            &crate::config::Overrides::default(),
        );
        let spec = config.expect("sound").revisions.remove(0).spec;
        (spec.queue.order, spec.wishes)
    };
    let (order, wishes) = of("minReplicas: 0");
    assert_eq!(order, QueueOrder::Fifo);
    let (header, class) = (None, None);
    let want = |tenant_header, class_header, deadlines| Wishes {
        tenant_header,
        class_header,
        deadlines,
    };
    assert_eq!(wishes, want(header, class, true));
    let (order, wishes) = of(
        "queue: { order: fair, ageing: 5s, maxTenants: 7, tenantHeader: X-Tenant, \
         classHeader: x-holdgate-class, deadlines: false }",
    );
    let fair = QueueOrder::Fair {
        ageing: std::time::Duration::from_secs(5),
        max_tenants: 7,
    };
    assert_eq!(order, fair);
    let (tenant, class) = ("x-tenant".to_owned(), "x-holdgate-class".to_owned());
    assert_eq!(wishes, want(Some(tenant), Some(class), false));
    assert_eq!(
        complaints(&revision("queue: { order: lifo, tenantHeader: a b }")),
        [
            "a.yaml:4:21: revisions[0].queue.order: wanted fifo or fair, not lifo",
            "a.yaml:4:41: revisions[0].queue.tenantHeader: wanted the name of a header such as x-tenant, not a b",
        ]
    );
}

#[test]
fn limits_that_contradict_each_other_are_named() {
    let of = |lines: &str| complaints(&revision(lines));
    assert_eq!(
        of("minReplicas: 3\nmaxReplicas: 2"),
        ["a.yaml:4:18: revisions[0].minReplicas: wanted at most maxReplicas (2), not 3"]
    );
    assert_eq!(
        of("maxReplicas: 2\nautoscaling: { activationScale: 3 }"),
        [
            "a.yaml:5:37: revisions[0].autoscaling.activationScale: wanted at most maxReplicas (2), not 3"
        ]
    );
    assert_eq!(
        of("minReplicas: 3\nautoscaling: { activationScale: 2 }"),
        [
            "a.yaml:5:37: revisions[0].autoscaling.activationScale: wanted at least minReplicas (3), not 2"
        ]
    );
    assert_eq!(of("minReplicas: 3\nmaxReplicas: 0"), [""; 0], "0 is no cap");
    assert_eq!(
        of("minReplicas: 3\nmaxReplicas: two"),
        ["a.yaml:5:18: revisions[0].maxReplicas: wanted a whole number, 0 or more, not two"],
        "no rule about a number nobody knows"
    );
}

#[test]
fn devices_are_named_once_and_no_replica_wants_more_than_there_are() {
    let of = |top: &str, gpus: u32| {
        let process = format!("{{ command: [a], gpus: {gpus} }}");
        format!("{top}\nrevisions: [{{ name: a, process: {process} }}]\n")
    };
    let pool = |top: &str| meaning(&of(top, 1)).gpus.expect("a pool");
    assert_eq!(pool("gpus: [1, GPU-8a56]"), ["1", "GPU-8a56"]);
    assert_eq!(
        pool("gpus: ['0, 2', MIG-GPU-1/1/0]"),
        ["0", "2", "MIG-GPU-1/1/0"]
    );
    assert_eq!(meaning(&of("", 1)).gpus, None, "this machine will tell");
    let wrong = |top: &str, gpus| complaints(&of(top, gpus)).join("\n");
    assert_eq!(
        wrong("gpus: [0, 1, 0]", 1),
        "a.yaml:1:14: gpus[2]: wanted each device once, 0 is there twice"
    );
    assert_eq!(
        wrong("gpus: [first]", 1),
        "a.yaml:1:8: gpus[0]: wanted the index of a device, or a name that begins with GPU- or \
         MIG-, not first"
    );
    assert_eq!(
        wrong("gpus: [0, 1]", 3),
        "a.yaml:2:55: revisions[0].process.gpus: wanted at most as many as there are in gpus (2), \
         not 3"
    );
    assert_eq!(
        wrong("gpus: 0", 0),
        "a.yaml:1:7: gpus: wanted a list of devices, not 0"
    );

    let written = Written::new(&[("a.yaml", &of("gpus: [7]", 1))]);
    let read = |flags: &[&str], environment: &[&str]| {
        let config = written.load(&overrides(flags, environment, &[]));
        config.expect("sound").gpus.expect("a pool")
    };
    assert_eq!(read(&[], &["HOLDGATE_GPUS=0,1"]), ["0", "1"]);
    assert_eq!(read(&["gpus=2,3"], &["HOLDGATE_GPUS=0,1"]), ["2", "3"]);
}

#[test]
fn nothing_leads_to_two_revisions() {
    let text = "\
revisions:
  - { name: a, hosts: [x.example], models: [m], process: { command: [a] } }
  - { name: a, hosts: [X.example], models: [n, m], process: { command: [a] } }
  - { name: c, hosts: [], process: { command: [a] } }
";
    assert_eq!(
        complaints(text),
        [
            "a.yaml:3:13: revisions[1].name: wanted a name of its own, a is taken at a.yaml:2:13",
            "a.yaml:3:24: revisions[1].hosts[0]: wanted a host of its own, x.example is taken at a.yaml:2:24",
            "a.yaml:3:48: revisions[1].models[1]: wanted a model of its own, m is taken at a.yaml:2:45",
            "a.yaml:4:5: revisions[2]: wanted hosts or models, as nothing else leads to one of several revisions",
        ]
    );
}

#[test]
fn everything_wrong_is_told_at_once_in_the_order_of_the_files() {
    let files = Written::new(&[
        (
            "a.yaml",
            "listen: here\nlisten: there\nrevisions:\n  - name: a\n    minReplicas: -1\n    colour: red\n",
        ),
        (
            "b.yaml",
            "listen: 127.0.0.1:1\ndefaults: { timeout: long, name: b }\nrevisions:\n  - { name: a, hosts: [h], process: { command: [a] } }\n",
        ),
        ("c.yaml", "revisions: [\n"),
        ("d.yaml", ""),
    ]);
    assert_eq!(
        files.complaints(&overrides(
            &["queue-timeout=later"],
            &["HOLDGATE_ADMIN=nowhere"],
            &[]
        )),
        [
            "a.yaml:1:9: listen: wanted an address and a port such as 127.0.0.1:8080, not here",
            "a.yaml:2:1: listen: written twice, first at a.yaml:1:1",
            "a.yaml:4:5: revisions[0].process.command: is missing, wanted a list such as [my-server, --port, \"{port}\"]",
            "a.yaml:4:5: revisions[0]: wanted hosts or models, as nothing else leads to one of several revisions",
            "a.yaml:5:18: revisions[0].minReplicas: wanted a whole number, 0 or more, not -1",
            "a.yaml:6:5: revisions[0].colour: unknown key",
            "b.yaml:1:9: listen: written twice, first at a.yaml:1:9",
            "b.yaml:2:22: defaults.timeout: wanted a duration such as 90s, 5m or 1h30m, not long",
            "b.yaml:2:34: defaults.name: cannot be a default, every revision has its own",
            "b.yaml:4:13: revisions[0].name: wanted a name of its own, a is taken at a.yaml:4:11",
            "c.yaml:1:12: unclosed bracket '['",
            "d.yaml: is empty, wanted revisions",
            "HOLDGATE_ADMIN: wanted an address and a port such as 127.0.0.1:9090, or off, not nowhere",
            "--queue-timeout: wanted a duration such as 90s, 5m or 1h30m, not later",
            "--queue-timeout: wanted --name to pick one revision (a, a)",
        ]
    );
}

#[test]
fn what_is_no_file_of_ours_is_refused_as_a_whole() {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: { name: a }\n";
    assert_eq!(
        complaints(manifest),
        [
            "a.yaml:1:1: wanted at least one revision, InferenceService or workload with holdgate.dev/enabled: \"true\""
        ]
    );
    assert_eq!(
        complaints("- a\n"),
        ["a.yaml:1:1: wanted a map of settings, not a list"]
    );
    assert_eq!(
        complaints("# nothing\n"),
        ["a.yaml: is empty, wanted revisions"]
    );
    let two = format!("{}---\na: 1\n", revision(""));
    assert_eq!(
        complaints(&two),
        ["a.yaml:6:1: a second document begins here, wanted one document per file"]
    );
    let missing = Written::new(&[]);
    let file = missing.dir.path().join("a.yaml");
    let told = super::super::load(&[file], &overrides(&[], &[], &[])).expect_err("no such file");
    assert!(
        told.to_string()
            .ends_with("a.yaml: could not be read: no such file"),
        "{told}"
    );
}

#[test]
fn aliases_repeat_what_they_name_within_reason() {
    let text = "revisions: [{ name: a, models: &m [m], hosts: *m, process: { command: *m } }]\n";
    assert_eq!(meaning(text).revisions[0].spec.hosts, ["m"]);
    let tens = (1..8).map(|n| {
        let repeated = vec![format!("*a{}", n - 1); 10].join(", ");
        format!("a{n}: &a{n} [{repeated}]")
    });
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned();
    let bomb: Vec<String> = std::iter::once(first).chain(tens).collect();
    let told = complaints(&bomb.join("\n"));
    assert_eq!(told, ["a.yaml:5:45: aliases repeat too much"]);
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_with_replicas_is_refused_where_there_is_none() {
    let told = complaints(&revision("upstreamTls: { insecureSkipVerify: true }"));
    let [told] = told.as_slice() else {
        panic!("{told:?}");
    };
    let want = "upstreamTls.insecureSkipVerify: this build of holdgate has no TLS";
    assert!(told.ends_with(want), "{told}");
    assert_eq!(
        complaints(&revision("upstreamTls: { insecureSkipVerify: false }")),
        [""; 0]
    );
}
