//! Amounts as manifests write them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a suffix stands for.
const SUFFIXES: [(&str, f64); 14] = [
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// `500m`, `2Gi`, `1e3` or `0.5` as a number; `None` where it is none of these, or negative. `E` for
/// 10^18 is left out: nobody has as much, and `1E3` is a thousand.
pub(super) fn amount(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.trim();
    let (number, factor) = SUFFIXES
        .iter()
        .filter(|(suffix, _)| text.ends_with(suffix))
        .max_by_key(|(suffix, _)| suffix.len())
        .map_or((text, 1.0), |(suffix, factor)| {
            (&text[..text.len() - suffix.len()], *factor)
        });
    let value = number.parse::<f64>().ok()? * factor;
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_means_them() {
        let cases = [
            ("500m", Some(0.5)),
            ("2", Some(2.0)),
            ("0.5", Some(0.5)),
            ("1e3", Some(1e3)),
            ("2Gi", Some(2_147_483_648.0)),
            ("100M", Some(1e8)),
            ("128974848", Some(128_974_848.0)),
            ("250000000n", Some(0.25)),
            ("-1", None),
            ("much", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(amount(&Quantity(text.to_owned())), want, "{text}");
        }
    }
}
