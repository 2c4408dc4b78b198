//! Amounts as Kubernetes and people write them: `250m`, `1500000n`, `64Mi`, `1e3`.

/// What a suffix multiplies by.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The number; `None` for what is none, or less than nothing.
#[must_use]
pub fn amount(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = SUFFIXES.iter().find_map(|(suffix, factor)| {
        let number = text.strip_suffix(suffix)?;
        Some((number, *factor))
    });
    let (number, factor) = split.unwrap_or((text, 1.0));
    let amount = number.parse::<f64>().ok()? * factor;
    (amount.is_finite() && amount >= 0.0).then_some(amount)
}

/// An amount that is counted, such as bytes.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an amount is not negative, and no machine has 2^64 bytes"
)]
#[must_use]
pub fn whole(amount: f64) -> u64 {
    amount as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_with_every_suffix() {
        for (text, want) in [
            ("0", Some(0.0)),
            ("1500000n", Some(0.0015)),
            ("250m", Some(0.25)),
            ("2", Some(2.0)),
            ("1.5", Some(1.5)),
            ("972Ki", Some(995_328.0)),
            ("64Mi", Some(67_108_864.0)),
            ("1e3", Some(1000.0)),
            ("2k", Some(2000.0)),
            ("2E", Some(2e18)),
            ("1E3", Some(1000.0)),
            ("500m", Some(0.5)),
            ("2Gi", Some(2_147_483_648.0)),
            ("128974848", Some(128_974_848.0)),
            ("-1", None),
            ("many", None),
            ("", None),
        ] {
            assert_eq!(amount(text), want, "{text}");
        }
    }
}
