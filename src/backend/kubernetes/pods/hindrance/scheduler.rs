//! What the scheduler says of a pod that fits nowhere, taken apart and said shorter. Resources are
//! called as it calls them: whose devices they are is nobody's affair here.

/// So many causes are told; the others are counted.
const MOST_TOLD: usize = 4;

/// Why a pod fits nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict<'a> {
    /// How many nodes there are, as far as it is said.
    nodes: Option<u32>,
    causes: Vec<Cause<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Cause<'a> {
    /// Of how many nodes it is true; `None`: it is said of the pod.
    nodes: Option<u32>,
    kind: Kind<'a>,
    text: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    /// Of a resource, named, less is free than the pod asks for.
    Lacks(&'a str),
    /// Devices that it claims by name of a claim, or the claim itself.
    Devices,
    Volume,
    Other,
}

/// "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {a: b}.
/// preemption: 0/3 nodes are available: …"
pub(super) fn verdict(message: &str) -> Verdict<'_> {
    let (nodes, said) = match message.split_once(" nodes are available: ") {
        Some((count, said)) => (count.split_once('/').map(|(_, all)| all), said),
        None => (None, message),
    };
    // What follows is about other pods that might make way.
    let said = said.split_once(". ").map_or(said, |(said, _)| said);
    let said = said.split_once(" preemption: ").map_or(said, |(s, _)| s);
    let mut causes: Vec<_> = parts(said.trim_end_matches('.')).map(cause).collect();
    causes.sort_by_key(|cause| rank(&cause.kind));
    Verdict {
        nodes: nodes.and_then(|all| all.parse().ok()),
        causes,
    }
}

impl Verdict<'_> {
    /// It is a volume that it waits for, and nothing that another node could have.
    pub(super) fn is_of_volumes(&self) -> bool {
        let lacks = |cause: &Cause<'_>| rank(&cause.kind) < rank(&Kind::Volume);
        let volume = |cause: &Cause<'_>| cause.kind == Kind::Volume;
        self.causes.iter().any(volume) && !self.causes.iter().any(lacks)
    }

    /// For a person: "2 of 3 nodes lack free nvidia.com/gpu, 1 had untolerated taint {a: b}".
    pub(super) fn told(&self) -> String {
        let mut all = self.nodes;
        let mut told: Vec<String> = Vec::new();
        for cause in self.causes.iter().take(MOST_TOLD) {
            told.push(cause.told(all));
            // It is said once how many there are.
            all = all.filter(|_| cause.nodes.is_none());
        }
        let more = self.causes.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        told.join(", ")
    }
}

impl Cause<'_> {
    fn told(&self, all: Option<u32>) -> String {
        let Some(nodes) = self.nodes else {
            return self.text.to_owned();
        };
        let who = match all {
            Some(all) => format!("{nodes} of {all} nodes"),
            None => nodes.to_string(),
        };
        let lack = if nodes == 1 { "lacks" } else { "lack" };
        match (&self.kind, self.text.strip_prefix("node(s) ")) {
            (Kind::Lacks(name), _) => format!("{who} {lack} free {name}"),
            (Kind::Devices, None) if self.text == NO_DEVICES => {
                format!("{who} {lack} devices that it claims")
            }
            (_, Some(text)) => format!("{who} {text}"),
            (_, None) => format!("{who}: {}", self.text),
        }
    }
}

/// No node has all the devices that the pod's claims ask for.
const NO_DEVICES: &str = "cannot allocate all claims";

fn cause(text: &str) -> Cause<'_> {
    let (nodes, text) = match text.split_once(' ') {
        Some((count, rest)) => match count.parse() {
            Ok(count) => (Some(count), rest),
            Err(_) => (None, text),
        },
        None => (None, text),
    };
    Cause {
        nodes,
        kind: kind(text),
        text,
    }
}

fn kind(text: &str) -> Kind<'_> {
    if let Some(name) = text.strip_prefix("Insufficient ") {
        return Kind::Lacks(name);
    }
    let lower = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["volume", "storageclass", "enough free storage"]) {
        Kind::Volume
    } else if says(&[NO_DEVICES, "resourceclaim", "resource claim", "pod claim"]) {
        Kind::Devices
    } else {
        Kind::Other
    }
}

/// In which order they are told.
const fn rank(kind: &Kind<'_>) -> u8 {
    match kind {
        Kind::Lacks(_) => 0,
        Kind::Devices => 1,
        Kind::Volume => 2,
        Kind::Other => 3,
    }
}

/// What stands between commas, but for those within braces.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let between = move |c: char| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(between)
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_named_whatever_it_is_called() {
        let told = |message: &str| verdict(message).told();
        let preempt = "preemption: 0/3 nodes are available: 3 No preemption victims found.";
        for name in [
            "nvidia.com/gpu",
            "amd.com/gpu",
            "nvidia.com/mig-1g.5gb",
            "habana.ai/gaudi",
            "cpu",
        ] {
            let message = format!("0/3 nodes are available: 3 Insufficient {name}. {preempt}");
            assert_eq!(told(&message), format!("3 of 3 nodes lack free {name}"));
            let older = format!("0/1 nodes are available: 1 Insufficient {name}.");
            assert_eq!(told(&older), format!("1 of 1 nodes lacks free {name}"));
        }
    }

    #[test]
    fn what_lacks_is_told_first_and_the_others_after_it() {
        //      the scheduler's words => ours
        let check = |causes: &str, want: &str| {
            let message = format!(
                "0/3 nodes are available: {causes}. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling."
            );
            assert_eq!(verdict(&message).told(), want);
        };
        check(
            "1 node(s) had untolerated taint {a/b: c}, 2 Insufficient nvidia.com/gpu",
            "2 of 3 nodes lack free nvidia.com/gpu, 1 had untolerated taint {a/b: c}",
        );
        check(
            "1 Insufficient memory, 2 Insufficient amd.com/gpu",
            "1 of 3 nodes lacks free memory, 2 lack free amd.com/gpu",
        );
        check(
            "3 node(s) didn't match Pod's node affinity/selector",
            "3 of 3 nodes didn't match Pod's node affinity/selector",
        );
        check("3 Too many pods", "3 of 3 nodes: Too many pods");
        check(
            "3 cannot allocate all claims",
            "3 of 3 nodes lack devices that it claims",
        );
        check(
            "1 Insufficient a, 1 Insufficient b, 1 Insufficient c, 1 Insufficient d, 1 Insufficient e, 1 node(s) were unschedulable",
            "1 of 3 nodes lacks free a, 1 lacks free b, 1 lacks free c, 1 lacks free d, and 2 more",
        );
    }

    #[test]
    fn what_is_said_in_another_way_is_told_as_it_is() {
        let told = |message: &str| verdict(message).told();
        for message in [
            "no nodes available to schedule pods",
            "waiting for dynamic resource controller to create the resourceclaim \"x\"",
            "running PreFilter plugin \"y\": broken",
            "",
        ] {
            assert_eq!(told(message), message);
        }
        let deallocate = "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 x.";
        assert_eq!(told(deallocate), "2 of 2 nodes lack devices that it claims");
    }

    #[test]
    fn a_volume_is_what_keeps_it_only_where_nothing_else_lacks() {
        let check = |message: &str, want| assert_eq!(verdict(message).is_of_volumes(), want);
        let unbound = "pod has unbound immediate PersistentVolumeClaims";
        check(
            &format!(
                "0/3 nodes are available: {unbound}. preemption: 0/3 nodes are available: 3 Preemption is not helpful."
            ),
            true,
        );
        check(&format!("0/3 nodes are available: 3 {unbound}."), true);
        check("persistentvolumeclaim \"weights\" not found", true);
        check(
            "0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, 2 node(s) had volume node affinity conflict.",
            true,
        );
        check(
            "0/3 nodes are available: 1 node(s) had volume node affinity conflict, 2 Insufficient nvidia.com/gpu.",
            false,
        );
        check(
            "0/3 nodes are available: 1 node(s) had volume node affinity conflict, 2 cannot allocate all claims.",
            false,
        );
        check(
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            false,
        );
        check("", false);
    }
}
