//! What is shipped for clusters says what this program understands, and names its version.

use std::fs;
use std::path::{Path, PathBuf};

use holdgate::config::{Overrides, load, load_text, revision_flags};

const KSERVE_CONFIG: &str = "kustomize/components/kserve-config/patch.yaml";

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(shipped(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The annotations that `KServe` is told to keep off pods.
fn kept_off_pods() -> Vec<String> {
    let patch = text(KSERVE_CONFIG);
    let names = patch.split('"').filter(|word| word.contains("dev/"));
    names.map(str::to_owned).collect()
}

/// `queue.maxRequests` as `queue-max-requests`.
fn kebab(path: &str) -> String {
    let mut kebab = String::new();
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(if c == '.' {
            '-'
        } else {
            c.to_ascii_lowercase()
        });
    }
    kebab
}

#[test]
fn every_manifest_of_the_guides_is_understood_and_asks_for_us() {
    let mut seen = 0;
    for entry in fs::read_dir(shipped("guides")).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let written = fs::read_to_string(&path).expect("it can be read");
        for wanted in ["deploymentMode: Standard", "autoscalerClass: external"] {
            assert!(written.contains(wanted), "{path:?} lacks {wanted}");
        }
        let config = load(std::slice::from_ref(&path), &Overrides::default())
            .unwrap_or_else(|complaints| panic!("{complaints}"));
        assert!(!config.revisions.is_empty(), "{path:?}");
        assert_eq!(config.warnings, [], "{path:?}");
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn the_gpu_example_is_understood() {
    let config = load(&[shipped("gpu/deployment.yaml")], &Overrides::default())
        .unwrap_or_else(|complaints| panic!("{complaints}"));
    let [llama] = &config.revisions[..] else {
        panic!("one revision was wanted: {:?}", config.revisions);
    };
    assert_eq!(llama.spec.scaling.max_replicas, Some(4));
}

#[test]
fn every_annotation_of_ours_is_kept_off_pods() {
    let kept = kept_off_pods();
    let here_only = |path: &str| path.starts_with("process.") || path == "name";
    let keys = revision_flags().filter(|about| !here_only(about.path));
    for about in keys {
        let name = format!("holdgate.dev/{}", kebab(about.path));
        assert!(kept.contains(&name), "{KSERVE_CONFIG} lacks {name}");
    }
}

#[test]
fn every_annotation_that_is_kept_off_pods_is_one() {
    for name in kept_off_pods() {
        let manifest = format!(
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: a\n  \
             annotations: {{ {name}: \"1\" }}\nspec: {{ predictor: {{}} }}\n"
        );
        let told = match load_text(Path::new("a.yaml"), &manifest, &Overrides::default()) {
            Ok(config) => format!("{:?}", config.warnings),
            Err(complaints) => complaints.to_string(),
        };
        assert!(!told.contains("unknown annotation"), "{told}");
    }
}

#[test]
fn the_image_that_is_installed_is_the_one_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (path, wanted) in [
        (
            "kustomize/base/kustomization.yaml",
            format!("newTag: {version}\n"),
        ),
        (
            "kustomize/release/kustomization.yaml",
            format!("newTag: {version}\n"),
        ),
        (
            "sidecar/deployment.yaml",
            format!("holdgate-sidecar:{version}\n"),
        ),
        (
            "helm/holdgate/Chart.yaml",
            format!("\nversion: {version}\n"),
        ),
        (
            "helm/holdgate/Chart.yaml",
            format!("\nappVersion: {version}\n"),
        ),
    ] {
        assert!(text(path).contains(&wanted), "{path} lacks {wanted:?}");
    }
}

#[test]
fn with_helm_the_same_services_lead_every_caller_as_with_kustomize() {
    let policy = |path: &str| {
        let text = text(path);
        let (_, rest) = text.split_once("\nspec:\n").expect("a policy");
        let (policy, _) = rest.split_once("\n---\n").expect("a binding behind it");
        let lines = policy.lines();
        let said = lines.filter(|line| !line.trim_start().starts_with('#'));
        said.map(str::to_owned).collect::<Vec<_>>()
    };
    let kustomize = policy("kustomize/components/kserve-every-caller/policy.yaml");
    assert_eq!(
        policy("helm/holdgate/templates/every-caller.yaml"),
        kustomize
    );
    let condition = kustomize.join(" ");
    // What the gateway does not lead must keep its selector: that is one of several ports, of whatever.
    assert!(condition.contains("object.spec.?ports.orValue([]).size() == 1"));
    assert!(!condition.contains("appProtocol"), "{condition}");
}

#[cfg(feature = "kubernetes")]
#[test]
fn every_reason_of_an_event_is_told_with_what_it_is() {
    use holdgate::backend::kubernetes::{Gravity, Reason};

    let page = text("README.md");
    let (_, events) = page.split_once("\n## Events\n").expect("the section");
    let (events, _) = events
        .split_once("\n## ")
        .expect("another section behind it");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let reason = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        Some((reason.to_owned(), (*cells.get(2)?).to_owned()))
    };
    let mut told: Vec<_> = events.lines().filter_map(row).collect();
    let one = |reason: &Reason| {
        let kind = match reason.gravity() {
            Gravity::Normal => "Normal",
            Gravity::Warning => "Warning",
        };
        (reason.to_string(), kind.to_owned())
    };
    let mut all: Vec<_> = Reason::ALL.iter().map(one).collect();
    told.sort();
    all.sort();
    assert_eq!(told, all);
}

#[test]
fn every_word_of_what_keeps_a_replica_is_told_with_what_it_means() {
    use holdgate::ports::Hindrance;

    let page = text("../README.md");
    for word in Hindrance::ALL.map(Hindrance::as_str) {
        assert!(page.contains(&format!("\n| `{word}` | ")), "{word}");
    }
}
