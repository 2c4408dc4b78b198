//! When an autoscaler turns: at whole seconds, heard a little late where a record says how late.

use std::iter::Peekable;
use std::time::Duration;

use crate::autoscale::SAMPLE_EVERY;

/// One turn of an autoscaler's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When it looked at the requests.
    pub sampled: Duration,
    /// Its turn in the order of everything that happened to the revision; 0 where nothing is known.
    pub turn: u32,
    /// The moment that it worked with.
    pub now: Duration,
}

/// Turns that were recorded, in order of time.
pub(super) type Recorded = Box<dyn Iterator<Item = Beat> + Send>;

/// A turn for somebody who waits is not looked for later than this: it was for somebody else.
const LATEST: Duration = Duration::from_secs(1);

/// The turns of one autoscaler.
pub(super) struct Beats {
    seconds: Recorded,
    pokes: Peekable<Recorded>,
    present: Beat,
}

impl Beat {
    const fn on_time(at: Duration) -> Self {
        Self {
            sampled: at,
            turn: 0,
            now: at,
        }
    }
}

impl Beats {
    /// The first one is at `begins`, or what was recorded of it.
    pub(super) fn new(begins: Duration, mut seconds: Recorded, pokes: Recorded) -> Self {
        Self {
            present: seconds.next().unwrap_or(Beat::on_time(begins)),
            seconds,
            pokes: pokes.peekable(),
        }
    }

    /// The second that has come.
    pub(super) const fn present(&self) -> Beat {
        self.present
    }

    /// The second after it.
    pub(super) fn next(&mut self) -> Beat {
        let on_time = || Beat::on_time(self.present.now.saturating_add(SAMPLE_EVERY));
        self.present = self.seconds.next().unwrap_or_else(on_time);
        self.present
    }

    /// When the autoscaler hears that somebody has come, at this moment and turn, whom nobody
    /// serves; at once where it is not known.
    pub(super) fn poke(&mut self, at: Duration, turn: u32) -> Beat {
        let is_past = |beat: &Beat| beat.sampled < at || (beat.sampled == at && beat.turn < turn);
        while self.pokes.next_if(is_past).is_some() {}
        let near = |beat: &&Beat| turn > 0 && beat.sampled.saturating_sub(at) < LATEST;
        let found = self.pokes.peek().filter(near).copied();
        found.unwrap_or(Beat::on_time(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const fn beat(sampled: u64, turn: u32, now: u64) -> Beat {
        Beat {
            sampled: ms(sampled),
            turn,
            now: ms(now),
        }
    }

    fn beats(seconds: &'static [Beat], pokes: &'static [Beat]) -> Beats {
        let recorded = |beats: &'static [Beat]| Box::new(beats.iter().copied());
        Beats::new(ms(500), recorded(seconds), recorded(pokes))
    }

    #[test]
    fn seconds_are_heard_as_late_as_they_were_and_then_on_time() {
        const HEARD: [Beat; 2] = [beat(501, 3, 500), beat(1_502, 9, 1_500)];
        let mut beats = beats(&HEARD, &[]);
        let later = [beats.next(), beats.next(), beats.next()];
        let on_time = [beat(2_500, 0, 2_500), beat(3_500, 0, 3_500)];
        assert_eq!(later, [HEARD[1], on_time[0], on_time[1]]);
        let unknown =
            super::Beats::new(ms(500), Box::new([].into_iter()), Box::new([].into_iter()));
        assert_eq!(unknown.present(), beat(500, 0, 500));
    }

    #[test]
    fn who_waits_is_heard_of_when_it_was_heard_of() {
        const HEARD: [Beat; 2] = [beat(20, 2, 20), beat(700, 6, 699)];
        let mut beats = beats(&[], &HEARD);
        assert_eq!(beats.poke(ms(690), 5), HEARD[1]);
        assert_eq!(beats.poke(ms(700), 5), HEARD[1], "two heard of at once");
        assert_eq!(beats.poke(ms(700), 7), beat(700, 0, 700), "it was before");
    }

    #[test]
    fn who_waits_where_nobody_did_is_heard_of_at_once() {
        const HEARD: [Beat; 1] = [beat(9_000, 6, 9_000)];
        let mut beats = beats(&[], &HEARD);
        assert_eq!(beats.poke(ms(8_000), 5), beat(8_000, 0, 8_000));
    }
}
