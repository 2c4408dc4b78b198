//! Several gateways share replicas: whoever dies, falls silent, comes back or leads, no replica ever
//! holds more than its limit, and nobody waits beside a slot that idles elsewhere.

use proptest::prelude::*;

use crate::gateways::{Happening, Town};

fn happening() -> impl Strategy<Value = Happening> {
    let (gate, pod) = (0..4usize, 0..3usize);
    prop_oneof![
        8 => (gate.clone(), 1..9u32).prop_map(|(gate, n)| Happening::Arrive(gate, n)),
        1 => gate.clone().prop_map(Happening::HangUp),
        1 => gate.clone().prop_map(Happening::Abandon),
        1 => (gate.clone(), 0..2000u64).prop_map(|(gate, ms)| Happening::Silence(gate, ms)),
        1 => (gate.clone(), 0..1500u64).prop_map(|(gate, ms)| Happening::Kill(gate, ms)),
        1 => gate.clone().prop_map(Happening::Leave),
        1 => Just(Happening::Depose),
        1 => prop_oneof![6 => 1..6u32, 1 => Just(0)].prop_map(Happening::Limit),
        2 => pod.clone().prop_map(Happening::Flap),
        1 => pod.clone().prop_map(Happening::Replace),
        1 => pod.prop_map(Happening::Retire),
        1 => Just(Happening::Revive),
    ]
}

/// Each lives through half a minute.
fn cases() -> u32 {
    let said = std::env::var("PROPTEST_CASES").ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_keep_the_limit_and_find_their_way(
        gates in 2..5usize,
        limit in 1..6u32,
        seed in any::<u64>(),
        history in prop::collection::vec((happening(), 0..300u64), 1..60),
    ) {
        let mut town = Town::new(gates, limit, seed);
        for (happening, then) in history {
            town.happen(happening);
            town.pass(then);
        }
        town.calm_down();
    }
}
