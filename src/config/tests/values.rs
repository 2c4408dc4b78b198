//! What single values mean, and what holds where none is written.

use std::time::Duration;

use super::{meaning, revision};

#[test]
fn durations_and_sizes_are_read_as_people_write_them() {
    let wait = |text: &str| {
        meaning(&revision(&format!("queue: {{ timeout: {text} }}"))).revisions[0]
            .spec
            .queue
            .timeout
    };
    assert_eq!(wait("90s"), Duration::from_secs(90));
    assert_eq!(wait("300"), Duration::from_secs(300));
    assert_eq!(wait("1h30m"), Duration::from_secs(5400));
    assert_eq!(wait("'1m 30s'"), Duration::from_secs(90));
    assert_eq!(wait("500ms"), Duration::from_millis(500));
    assert_eq!(wait("1.5s"), Duration::from_millis(1500));
    let size = |text: &str| {
        meaning(&revision(&format!("maxBodyBytes: {text}"))).revisions[0]
            .spec
            .max_body_bytes
    };
    assert_eq!(size("0"), None);
    assert_eq!(size("1048576"), Some(1 << 20));
    assert_eq!(size("256MiB"), Some(256 << 20));
    assert_eq!(size("256Mi"), Some(256 << 20));
    assert_eq!(size("1G"), Some(1_000_000_000));
    assert_eq!(size("1.5Gi"), Some(3 << 29));
    assert_eq!(size("10kB"), Some(10_000));
}

#[test]
fn zero_means_off_where_it_says_so() {
    let spec = &meaning(&revision(
        "timeout: 0\nidleTimeout: 0s\nfirstByteTimeout: 0\nmaxReplicas: 0",
    ))
    .revisions[0]
        .spec;
    assert_eq!(
        (
            spec.timeouts.total,
            spec.timeouts.idle,
            spec.timeouts.first_byte
        ),
        (None, None, None)
    );
    assert_eq!(spec.scaling.max_replicas, None);
}

#[test]
fn an_unwritten_cap_gives_way_to_a_larger_number() {
    let max = |lines: &str| {
        meaning(&revision(lines)).revisions[0]
            .spec
            .scaling
            .max_replicas
    };
    assert_eq!(max("minReplicas: 3"), Some(3));
    assert_eq!(
        max("autoscaling: { activationScale: 2, initialScale: 4 }"),
        Some(4)
    );
    assert_eq!(max("minReplicas: 1"), Some(1));
}
