//! Any history of arrivals, endings, hang-ups, flaps and changes of limits: what must hold of an
//! admission holds after every event.
#![no_main]

use libfuzzer_sys::fuzz_target;

use ledger::{Event, live_through};

#[path = "../../properties/ledger/mod.rs"]
mod ledger;

fuzz_target!(|bytes: &[u8]| {
    let Some((limit, history)) = bytes.split_first() else {
        return;
    };
    let events = history.chunks_exact(2).map(|pair| event(pair[0], pair[1]));
    live_through(u32::from(limit % 6), *limit >= 128, events);
});

/// One byte says what happens, the other to whom or how much.
fn event(what: u8, which: u8) -> Event {
    let (id, index) = (u64::from(which % 5), usize::from(which));
    match what % 28 {
        0 => Event::Arrive(u64::from(which % 40)),
        1 => Event::HoldMore(index % 12, u64::from(which / 12)),
        2 => Event::Leave(index),
        3 => Event::Cancel(index),
        4 => Event::Abandon(index),
        5 => Event::Rebuff(index),
        6 => Event::Restore(id),
        7 => Event::Present(which),
        8 => Event::Retire(index % 3),
        9 => Event::RetireOne(id),
        10 => Event::Revive(id),
        11 => Event::Limit(u32::from(which % 6)),
        12 => Event::RetireIdle(id),
        13 => Event::Rest(u32::from(which % 7)),
        14 => Event::Drain(which),
        15 => Event::Dismiss,
        16 => Event::Divide(which % 2 == 0),
        17 => Event::Unite,
        18 => Event::Lend(id, u32::from(which / 5 % 4)),
        19 => Event::Recall(u32::from(which % 5)),
        20 => Event::Spare(u32::from(which % 5)),
        21 => Event::Keep(id, u32::from(which / 5 % 4)),
        22 => Event::GiveUp(which),
        23 => Event::Void(which),
        24 => Event::Pass(which % 16),
        25 => Event::Order(which % 2 == 0),
        _ => Event::ArriveAs(u64::from(which % 40), which / 4, which),
    }
}
