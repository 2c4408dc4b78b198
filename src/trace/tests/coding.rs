//! Events as bytes.

use proptest::prelude::*;

use super::super::code::Context;
use super::super::{Event, Fate, Reason, Step};
use super::{decided, one_of_each, phases};

fn encoded(events: &[(u64, Event)]) -> Vec<u8> {
    let (mut context, mut bytes) = (Context::default(), Vec::new());
    for (at, event) in events {
        context.encode(*at, event.clone(), &mut bytes);
    }
    bytes
}

fn decoded(mut bytes: &[u8]) -> Vec<(u64, Event)> {
    let (mut context, mut events) = (Context::default(), Vec::new());
    while let Ok(event) = context.decode(&mut bytes) {
        events.push(event);
    }
    events
}

/// Small numbers, and the largest.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..1000_u64, 2 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        (any::<u16>(), number()).prop_map(|(code, sent)| Fate::Answered { code, sent }),
        (any::<u16>(), number()).prop_map(|(code, sent)| Fate::Cut { code, sent }),
        Just(Fate::Refused(Reason::ColdStartTimeout)),
        Just(Fate::ClientLeft),
        Just(Fate::Open),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let finite = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    prop_oneof![
        (number(), number(), number()).prop_map(|(ticket, announced, replica)| Event::Admitted {
            ticket,
            announced,
            replica
        }),
        (number(), number()).prop_map(|(ticket, announced)| Event::Queued { ticket, announced }),
        (number(), number()).prop_map(|(ticket, bytes)| Event::HeldMore { ticket, bytes }),
        (number(), number()).prop_map(|(ticket, replica)| Event::Seated { ticket, replica }),
        number().prop_map(|ticket| Event::Rebuffed { ticket }),
        number().prop_map(|ticket| Event::Vacated { ticket }),
        (number(), any::<bool>(), fate()).prop_map(|(ticket, done, fate)| Event::Over {
            ticket,
            done,
            fate
        }),
        (number(), any::<bool>()).prop_map(|(id, ready)| Event::Replica {
            id,
            step: if ready {
                Step::Ready(phases())
            } else {
                Step::Listed
            }
        }),
        (finite, number(), any::<u32>(), prop::option::of(number())).prop_map(
            |(average_concurrency, requests, in_flight, idle_since)| Event::Measured {
                average_concurrency,
                requests,
                in_flight,
                idle_since
            }
        ),
        (number(), any::<bool>()).prop_map(|(now, began)| Event::Turned {
            now,
            began,
            gauged: vec![Some(0.1), None]
        }),
        (
            0..4_u8,
            number(),
            prop::option::of((number(), any::<bool>()))
        )
            .prop_map(|(class, tenant, deadline)| Event::Terms {
                class,
                tenant,
                deadline
            }),
        (0..4_u32).prop_map(decided),
        number().prop_map(Event::Lost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(events in prop::collection::vec((number(), event()), 0..60)) {
        prop_assert_eq!(decoded(&encoded(&events)), events);
    }
}

#[test]
fn every_kind_of_event_is_read_as_it_was_written() {
    let events = one_of_each();
    assert_eq!(decoded(&encoded(&events)), events);
}

#[test]
fn what_was_written_before_there_were_terms_is_read_as_it_was_meant() {
    // A gap, the number of the kind, and what is in it.
    let bytes = [
        [2, 2, 0, 5].as_slice(),
        &[2, 3, 5, 13],
        &[2, 7, 0, 1, 3, 2],
        &[2, 15, 3],
    ];
    let (ticket, announced) = (0, 5);
    let reason = Reason::Unschedulable;
    let fate = Fate::Refused(Reason::QueueTimeout);
    let events = [
        (1, Event::Queued { ticket, announced }),
        (2, Event::TurnedAway { announced, reason }),
        (
            3,
            Event::Over {
                ticket,
                done: true,
                fate,
            },
        ),
        (4, Event::Lost(3)),
    ];
    assert_eq!(decoded(&bytes.concat()), events);
}

#[test]
fn a_plain_request_takes_about_twenty_bytes() {
    let mut events = Vec::new();
    for ticket in 0..1000_u64 {
        // One every 10 ms, answered 200 ms later, so that twenty are here at once.
        let at = ticket * 10_000_000 + ticket * 7919 % 1000;
        events.push((
            at,
            Event::Admitted {
                ticket,
                announced: 300,
                replica: 3,
            },
        ));
        if let Some(ticket) = ticket.checked_sub(20) {
            let (code, sent) = (200, 1500);
            let fate = Fate::Answered { code, sent };
            let over = Event::Over {
                ticket,
                done: true,
                fate,
            };
            events.push((at + 4_567_891, over));
        }
    }
    let bytes = encoded(&events).len();
    assert!((18_000..22_000).contains(&bytes), "{bytes} for a thousand");
}
