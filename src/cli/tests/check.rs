//! What `check` says of a file, for a gate and for a gateway.

use super::*;

#[test]
fn check_tells_what_a_file_means_or_all_that_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("a.yaml");
    let told = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = check(std::slice::from_ref(&file), &mut out, &mut err).expect("told");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            code,
            text(out),
            text(err).replace(&dir.path().display().to_string(), "."),
        )
    };
    let sound = "\
revisions:
- { name: m, models: [m], containerConcurrency: 2, stopAfterIdle: 5m, process: { command: [serve] } }
";
    let meaning = "\
listens on 127.0.0.1:8080, admin 127.0.0.1:9090; at most 16384 connections and 16 model servers

m
  takes   every host; models m
  starts  serve
  ready   once its port takes connections, within 10m
  scales  0 to 1 replicas, aims for 2 at once in each; the last one goes 5m after the last request
  limits  never more than 2 at once in a replica
  waits   at most 1000 requests and 256MiB, for 1m, for 10m while no replica is ready
  answers within 5m, streams within no bound, ends after 5m without a byte
";
    assert_eq!(told(sound), (0, meaning.to_owned(), String::new()));
    let on_devices = "\
gpus: [0, 1]
revisions:
- { name: m, process: { command: [serve], gpus: 2 } }
";
    let (code, told_of_devices, _) = told(on_devices);
    assert_eq!(code, 0);
    for line in [
        "gives model servers GPUs 0, 1\n",
        "\n  holds   2 GPUs in each replica, to itself\n",
    ] {
        assert!(told_of_devices.contains(line), "{told_of_devices}");
    }
    let manifest = "\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: m, annotations: { autoscaling.knative.dev/max-scale: '2' } }
spec: { predictor: { sklearn: {} } }
";
    let (code, out, err) = told(manifest);
    assert_eq!(code, 0, "a warning stops nobody");
    assert!(out.contains("m-predictor\n  takes   every host; models m\n  starts  nothing yet"));
    assert!(
        err.starts_with("warning: ./a.yaml:3:72: metadata.annotations."),
        "{err}"
    );
    let measured = "revisions:\n- { name: m, process: { command: [serve], resources: { memory: 1Gi } }, \
        autoscaling: { metrics: [{ metric: cpu }, { metric: memory }, \
        { metric: \"vllm:num_requests_waiting\", target: 5 }] } }\n";
    let aims =
        "aims for 80% of cpu and 819.2MiB of memory and 5 vllm:num_requests_waiting in each\n";
    let (code, out, err) = told(measured);
    assert_eq!((code, err), (0, String::new()));
    assert!(out.contains(aims), "{out}");
    let wrong = "revisions:\n- { name: m, process: { command: serve } }\n- { colour: red }\n";
    let (code, out, err) = told(wrong);
    assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 5 + 1));
    assert!(
        err.starts_with("./a.yaml:2:3: revisions[0]: wanted hosts or models"),
        "{err}"
    );
}

#[test]
fn check_reads_the_file_of_a_gateway_when_told_that_it_is_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("a.yaml");
    let told = |text: &str, tell: fn(&[PathBuf], &mut dyn Write, &mut dyn Write) -> _| {
        std::fs::write(&file, text).expect("written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code: io::Result<u8> = tell(std::slice::from_ref(&file), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let err = text(err).replace(&dir.path().display().to_string(), ".");
        (code.expect("told"), text(out), err)
    };
    let sound = "\
domain: models.example
namespaces: [a, b]
workloads: [Rollout.v1alpha1.argoproj.io]
takeoverPorts: 21000-21999
defaults: { containerConcurrency: 4, maxReplicas: 8, path: always, queue: { coldTimeout: 20m } }
";
    let meaning = "\
a gateway that listens on 0.0.0.0:8080, admin 0.0.0.0:9090, peers 0.0.0.0:9092; at most 16384 connections
  domain  models.example
  looks   in a, b, at Deployment, StatefulSet, Rollout
  callers of Services that pass the gate come in at ports 21000 to 21999

a workload that says nothing of its own
  scales  0 to 8 replicas, aims for 4 at once in each
  limits  never more than 4 at once in a replica
  waits   at most 1000 requests and 256MiB, for 1m, for 20m while no replica is ready
  answers within 5m, streams within no bound, ends after 5m without a byte
  callers of its Services all pass the gate
";
    let wanted = (0, meaning.to_owned(), String::new());
    assert_eq!(told(sound, check_gateway), wanted);
    let (code, out, err) = told("listen: 127.0.0.1:1\n", check_gateway);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("  domain  KServe's, else example.com\n  looks   in all namespaces, at "));

    for (path, words) in [
        ("host", "pass the gate by"),
        ("takeover", "pass the gate while no pod is ready"),
    ] {
        let (_, out, _) = told(&format!("defaults: {{ path: {path} }}\n"), check_gateway);
        let callers = format!("\n  callers of its Services {words}\n");
        assert!(out.contains("come in at ports 20000 to 29999\n"), "{out}");
        assert!(out.ends_with(&callers), "{out}");
    }

    let hint = "what is meant for a gateway is read by: check --gateway\n";
    let (code, _, err) = told(sound, check);
    assert_eq!(code, 2);
    assert!(err.ends_with(hint), "{err}");
    let (_, _, err) = told("revisions: []\n", check);
    assert!(!err.contains("is read by"), "{err}");
    let (code, _, err) = told("port: 9000\ncontainerConcurrency: 2\n", check);
    let hint = "what is meant for a sidecar is read by: check --sidecar\n";
    assert!(code == 2 && err.ends_with(hint), "{err}");

    let odd = "defaults: { minReplicas: 5, maxReplicas: 2 }\n";
    let (code, out, err) = told(odd, check_gateway);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.starts_with("./a.yaml:1:"), "{err}");
    let (code, _, err) = told("revisions: []\n", check_gateway);
    assert_eq!(code, 2);
    assert!(err.contains("in the cluster"), "{err}");
}

#[cfg(feature = "tls")]
#[test]
fn check_looks_at_the_files_of_certificates() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    let make = |name: &str, until| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).expect("signed");
        std::fs::write(at(&format!("{name}.crt")), certificate.pem()).expect("written");
        std::fs::write(at(&format!("{name}.key")), key.serialize_pem()).expect("written");
    };
    make("good", 2100);
    make("old", 2020);
    let told = |tls: &str, gateway: bool| {
        let tls = tls.replace("./", &format!("{}/", dir.path().display()));
        let revisions = "revisions: [{ name: m, process: { command: [serve] } }]\n";
        let rest = if gateway { "" } else { revisions };
        std::fs::write(at("a.yaml"), format!("tls: {tls}\n{rest}")).expect("written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let check = if gateway { check_gateway } else { check };
        let code = check(&[at("a.yaml")], &mut out, &mut err).expect("told");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let plain = |text: String| text.replace(&dir.path().display().to_string(), ".");
        (code, plain(text(out)), plain(text(err)))
    };
    for gateway in [false, true] {
        let good = "{ certFile: ./good.crt, keyFile: ./good.key, clientCaFile: ./good.crt }";
        let (code, out, err) = told(good, gateway);
        assert_eq!((code, err.as_str()), (0, ""));
        let want = "shows ./good.crt to clients with a certificate of theirs\n";
        assert!(out.contains(want), "{out}");

        let (code, _, err) = told("{ certFile: ./old.crt, keyFile: ./old.key }", gateway);
        assert_eq!(code, 0, "it can be shown all the same");
        let want = "tls.certFile: ./old.crt: it expired on 2020-01-01\n";
        assert!(err.starts_with("warning: ./a.yaml:1:18: "), "{err}");
        assert!(err.ends_with(want), "{err}");

        let bad = "{ certificates: [{ cert: ./good.crt, key: ./old.key }, \
                   { cert: ./none, key: ./old.key }] }";
        let (code, out, err) = told(bad, gateway);
        assert_eq!((code, out.as_str()), (2, ""));
        for want in [
            "tls.certificates[0].key: ./old.key: it is not the key of the certificate\n",
            "tls.certificates[1].cert: ./none: it could not be read: no such file\n",
        ] {
            assert!(err.contains(want), "{err}");
        }
        assert!(err.starts_with("./a.yaml:1:"), "{err}");

        let old_and_bad = bad.replace("good.crt", "old.crt");
        let (_, _, err) = told(&old_and_bad, gateway);
        assert_eq!(err.matches("it expired on").count(), 1, "{err}");
    }
}
