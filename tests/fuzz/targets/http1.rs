//! Any bytes on a client's connection, before replicas that answer at once: what they are sent is framed
//! in one way only, it is never more requests than the client began, and the gate is empty at the end.
#![no_main]

mod house;

use std::time::Duration;

use house::{Manner, Visit, framing, visit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((dice, bytes)) = bytes.split_first() else {
        return;
    };
    // Bytes that begin as HTTP/2 are the other target's.
    if bytes.starts_with(b"PRI") {
        return;
    }
    let manner = Manner {
        dies_at: u32::from(dice % 4),
        ..Manner::default()
    };
    let stays = Duration::from_secs(if dice & 4 == 0 { 3600 } else { 0 });
    let piece = if dice & 8 == 0 { 64 * 1024 } else { 7 };
    let outcome = visit(&manner, bytes, Visit { piece, stays });
    let (asked, sent) = (framing::at_most(bytes), outcome.requests().len());
    assert!(
        sent <= asked,
        "{sent} requests at replicas of {asked}: {}",
        bytes.escape_ascii()
    );
});
