//! What fits into a `ConfigMap`, and what is left out of it.

use super::*;

#[test]
fn what_does_not_fit_is_left_out_by_how_little_it_is_missed() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let long = |asked, value: f64| {
        let mut memory = memory(asked);
        memory.metrics[0].1.seconds = vec![value; 60];
        memory
    };
    let mut pages = Pages::new();
    for n in 0..100_u64 {
        // The older half is at rest, and of each half the first is the oldest.
        let memory = if n < 50 {
            long(0, 0.0)
        } else {
            long(1, 2.0 / 3.0)
        };
        pages.insert(
            format!("m{n:02}"),
            Page::new(&memory, None, TypicalPhases::default(), at(n)).rounded(),
        );
    }
    let all = fitting(pages.clone(), MOST_BYTES).unwrap();
    assert_eq!(understood(all.as_bytes()).unwrap().len(), 100);
    for most in [all.len(), all.len() - 1, all.len() / 2, 1000, 100] {
        let text = fitting(pages.clone(), most).unwrap();
        assert!(text.len() <= most, "{} of {most} bytes", text.len());
        let kept: Vec<String> = understood(text.as_bytes()).unwrap().into_keys().collect();
        let last: Vec<String> = pages.keys().skip(100 - kept.len()).cloned().collect();
        assert_eq!(kept, last);
        let room = most.saturating_sub(text.len());
        assert!(
            kept.len() == 100 || room < 2 * all.len() / 100,
            "{room} bytes are left"
        );
    }
}

#[test]
fn a_measurement_is_kept_with_four_digits() {
    let mut memory = memory(1);
    memory.metrics[0].1.seconds = vec![
        0.0,
        2.0 / 3.0,
        123_456.789,
        1e-5 / 3.0,
        17_179_869_184.0,
        5.0,
    ];
    let page = Page::new(
        &memory,
        None,
        TypicalPhases::default(),
        SystemTime::UNIX_EPOCH,
    )
    .rounded();
    let seconds = &page.memory().metrics[0].1.seconds;
    assert_eq!(
        *seconds,
        [0.0, 0.6667, 123_457.0, 3.333e-6, 17_179_869_184.0, 5.0]
    );
}

#[test]
fn five_hundred_busy_revisions_fit() {
    let mut memory = memory(1);
    let value = |n: u32| f64::from(n) / 7.0;
    memory.metrics[0].1.seconds = (0..60).map(value).collect();
    memory.presence = Some(memory.metrics[0].1.clone());
    let page = Page::new(&memory, None, TypicalPhases::default(), wall_at_rest()).rounded();
    let pages: Pages = (0..500)
        .map(|n| (format!("model-{n}.a-namespace"), page.clone()))
        .collect();
    let text = fitting(pages.clone(), MOST_BYTES).unwrap();
    assert_eq!(
        understood(text.as_bytes()).unwrap().len(),
        500,
        "{} bytes",
        text.len()
    );
}

fn wall_at_rest() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}
