//! Who comes to steer waits until it knows what the one before it has left: what steers by less than
//! that may take away what is needed.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backend::kubernetes::Tenure;

/// The longest that is waited for it: a call that hangs has failed by then, and nobody else steers.
const LONGEST: Duration = Duration::from_secs(4);

/// Tells what a gateway may do, to steer only once it has caught up.
pub(in crate::state) async fn hold_back(
    mut tenure: watch::Receiver<Tenure>,
    mut caught_up: watch::Receiver<bool>,
    tell: watch::Sender<Tenure>,
) {
    let mut waits_since = None;
    let mut reads_on = true;
    loop {
        let present = *tenure.borrow_and_update();
        let begins = present.steers && !tell.borrow().steers;
        let waits = begins && reads_on && !*caught_up.borrow_and_update();
        waits_since = waits_since.filter(|_| waits);
        let until = waits.then(|| *waits_since.get_or_insert_with(Instant::now) + LONGEST);
        let late = until.is_some_and(|until| Instant::now() >= until);
        if late {
            tracing::warn!("steers without what was remembered: it cannot be read");
        }
        // Everything else counts at once.
        let steers = present.steers && (!waits || late);
        tell.send_replace(Tenure { steers, ..present });
        let until = until.filter(|_| !late);
        tokio::select! {
            changed = tenure.changed() => if changed.is_err() {
                return;
            },
            // At the end nobody reads any more, and who else is there counts on.
            read = caught_up.changed(), if until.is_some() => reads_on = read.is_ok(),
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
        }
    }
}
