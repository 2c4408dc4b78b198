//! One metric out of a page in Prometheus' text format. Decides what its value is; lines about
//! other metrics are passed over, whatever they hold.

/// All samples of a metric added up, whatever their labels.
///
/// # Errors
/// There is none, one of them cannot be read, or the sum is no number.
pub(super) fn sum(page: &str, name: &str) -> Result<f64, String> {
    let samples = page.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?;
        rest.starts_with(['{', ' ', '\t']).then_some((line, rest))
    });
    let mut sum: Option<f64> = None;
    for (line, rest) in samples {
        let Some(value) = value(rest) else {
            let line = line.escape_debug().take(100).collect::<String>();
            return Err(format!("a sample of {name} cannot be read: {line}"));
        };
        sum = Some(sum.unwrap_or(0.0) + value);
    }
    match sum {
        Some(sum) if sum.is_finite() => Ok(sum),
        Some(sum) => Err(format!("{name} is {sum}")),
        None => Err(format!("there is no {name}")),
    }
}

/// What follows a name: labels perhaps, the value, and a timestamp perhaps. What begins with `#`
/// is an exemplar of `OpenMetrics`.
fn value(rest: &str) -> Option<f64> {
    let rest = match rest.trim_start().strip_prefix('{') {
        Some(labels) => past_labels(labels)?,
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    match words.next() {
        None | Some("#") => Some(value),
        Some(timestamp) => {
            let _when: f64 = timestamp.parse().ok()?;
            words.next().is_none_or(|word| word == "#").then_some(value)
        }
    }
}

/// What follows the closing brace. Values are quoted, and may hold braces and escaped quotes.
fn past_labels(labels: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in labels.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(&labels[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP vllm:num_requests_waiting Number of requests waiting.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a}b\"} 9"} 3.0
vllm:num_requests_waiting{engine="1",model_name="c",} 4 1700000000000
vllm:num_requests_waiting_total 100
vllm:num_requests 50
cache_use 0.25
  cold	1e-3
made_total{a="b"} 7 # {trace_id="x"} 1.0 1700000000.1
broken{a="b" 1
wordy seven
late 1 noon
empty
unknown NaN
endless{le="+Inf"} +Inf
odd{quoted="x"} 1
"quoted.name" 3
# EOF
"#;

    #[test]
    fn samples_that_differ_in_labels_are_added_up() {
        for (name, want) in [
            ("vllm:num_requests_waiting", 7.0),
            ("vllm:num_requests", 50.0),
            ("cache_use", 0.25),
            ("cold", 0.001),
            ("made_total", 7.0),
        ] {
            assert_eq!(sum(PAGE, name), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_value() {
        for (name, want) in [
            (
                "broken",
                r#"a sample of broken cannot be read: broken{a=\"b\" 1"#,
            ),
            ("wordy", "a sample of wordy cannot be read: wordy seven"),
            ("late", "a sample of late cannot be read: late 1 noon"),
            ("empty", "there is no empty"),
            ("unknown", "unknown is NaN"),
            ("endless", "endless is inf"),
            ("HELP", "there is no HELP"),
            ("nowhere", "there is no nowhere"),
        ] {
            assert_eq!(sum(PAGE, name), Err(want.to_owned()), "{name}");
        }
    }
}
