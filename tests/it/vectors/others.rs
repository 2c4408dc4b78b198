//! The groups that nothing here is run against, each with the reason.

/// Knative's parts that have no counterpart here, or do another job on purpose.
pub(super) const NOT_OURS: &[(&str, &str)] = &[
    ("sample_size", ALWAYS_SEEN),
    ("scrape_aggregation", ALWAYS_SEEN),
    ("scrape_target", ALWAYS_SEEN),
    (
        "activator_stats",
        "no report is pushed: the first request asks for a decision itself",
    ),
    ("num_activators", ALWAYS_IN_PATH),
    ("same_sign", ALWAYS_IN_PATH),
    ("sks_mode", ALWAYS_IN_PATH),
    ("public_endpoints_source", ALWAYS_IN_PATH),
    ("activator_subset", ALWAYS_IN_PATH),
    (
        "status_scales",
        "there is no PodAutoscaler object whose status is written",
    ),
    ("revision_capacity", ONE_AUTHORITY),
    ("pick_indices", ONE_AUTHORITY),
    ("assign_slice_grid", ONE_AUTHORITY),
    ("assign_slice", ONE_AUTHORITY),
    ("activator_index", ONE_AUTHORITY),
    ("activator_queue_limit", "the queue is finite on purpose"),
    ("activator_http", KNATIVE_ANSWERS),
    ("activator_probe", KNATIVE_ANSWERS),
    ("route_tag", "routes have no tags"),
    ("probe_pod_ips", "replicas are found by their backend"),
    ("revision_watcher", "replicas are found by their backend"),
    (
        "http_version_detection",
        "the protocol of a replica is configured, not guessed",
    ),
    ("e2e", "needs a cluster with Knative in it"),
    ("perf_sla", "needs a cluster with Knative in it"),
];

const ALWAYS_SEEN: &str = "every request passes the gate, so nothing is scraped or sampled";
const ALWAYS_IN_PATH: &str = "the gate is always in the way, so nobody is switched in or out";
const ONE_AUTHORITY: &str = "one gate owns all slots of a revision, so nobody divides them";
const KNATIVE_ANSWERS: &str = "the answers are our own, and name their reason";
