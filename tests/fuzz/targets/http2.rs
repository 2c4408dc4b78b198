//! Any frames behind a client's preface, before replicas that speak HTTP/1.1: what they are sent is framed
//! in one way only, it is never more requests than streams were opened, and the gate is empty at the end.
#![no_main]

mod house;

use std::time::Duration;

use house::{Manner, Visit, http2, visit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((dice, frames)) = bytes.split_first() else {
        return;
    };
    let manner = Manner {
        dies_at: u32::from(dice % 4),
        ..Manner::default()
    };
    let stays = Duration::from_secs(if dice & 4 == 0 { 600 } else { 0 });
    let piece = if dice & 8 == 0 { 64 * 1024 } else { 7 };
    // An empty SETTINGS first: without one there is no connection.
    let bytes = [http2::PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0], frames].concat();
    let outcome = visit(&manner, &bytes, Visit { piece, stays });
    let (asked, sent) = (http2::at_most(frames), outcome.requests().len());
    assert!(
        sent <= asked,
        "{sent} requests at replicas of {asked}: {}",
        frames.escape_ascii()
    );
});
