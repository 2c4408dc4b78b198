//! Whatever arrives, leaves, hangs up, flaps, is retired or resized: the limit holds, the order
//! holds, nobody waits beside a free slot, and nothing leaks.

use proptest::prelude::*;

use crate::ledger::{Event, live_through};

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..40u64).prop_map(Event::Arrive),
        6 => (0..40u64, any::<u8>(), any::<u8>())
            .prop_map(|(bytes, class, tenant)| Event::ArriveAs(bytes, class, tenant)),
        1 => (0..16u8).prop_map(Event::Pass),
        1 => (any::<usize>(), 0..40u64).prop_map(|(i, bytes)| Event::HoldMore(i, bytes)),
        7 => any::<usize>().prop_map(Event::Leave),
        2 => any::<usize>().prop_map(Event::Cancel),
        1 => any::<usize>().prop_map(Event::Abandon),
        1 => any::<usize>().prop_map(Event::Rebuff),
        1 => (0..5u64).prop_map(Event::Restore),
        2 => any::<u8>().prop_map(Event::Present),
        1 => any::<u8>().prop_map(Event::Drain),
        1 => (0..3usize).prop_map(Event::Retire),
        1 => (0..5u64).prop_map(Event::RetireOne),
        1 => (0..5u64).prop_map(Event::RetireIdle),
        1 => (0..5u64).prop_map(Event::Revive),
        2 => (0..7u32).prop_map(Event::Rest),
        1 => (0..6u32).prop_map(Event::Limit),
        1 => any::<bool>().prop_map(Event::Order),
        1 => Just(Event::Dismiss),
        1 => any::<bool>().prop_map(Event::Divide),
        1 => Just(Event::Unite),
        4 => (0..5u64, 0..4u32).prop_map(|(id, slots)| Event::Lend(id, slots)),
        1 => (0..5u32).prop_map(Event::Recall),
        1 => (0..5u32).prop_map(Event::Spare),
        1 => (0..5u64, 0..4u32).prop_map(|(id, slots)| Event::Keep(id, slots)),
        1 => any::<u8>().prop_map(Event::GiveUp),
        1 => any::<u8>().prop_map(Event::Void),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn admission_keeps_its_laws(
        limit in 0..6u32,
        fair: bool,
        events in prop::collection::vec(event(), 1..120),
    ) {
        live_through(limit, fair, events);
    }
}
