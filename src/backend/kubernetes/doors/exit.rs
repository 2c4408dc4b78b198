//! What the crew of a revision and the keeper of its doors tell each other, so that callers of its
//! Services always find somebody: its last pod goes only once they are led to the gateways.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// The way by which the last pod leaves. Clones are one.
#[derive(Clone, Debug)]
pub struct Exit(Arc<Sides>);

#[derive(Debug)]
struct Sides {
    word: watch::Sender<Option<Word>>,
    led: watch::Sender<bool>,
    news: Arc<Notify>,
}

/// What the crew says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Kubelet calls one of its pods ready that is not being deleted: Services lead there.
    pub ready: bool,
    /// No pod is to stay.
    pub leaving: bool,
}

impl Exit {
    /// Closed. Whoever is asked for it by the crew hears of that by `news`.
    #[must_use]
    pub fn new(news: Arc<Notify>) -> Self {
        Self(Arc::new(Sides {
            word: watch::Sender::new(None),
            led: watch::Sender::new(false),
            news,
        }))
    }

    /// The crew says how it is.
    pub fn say(&self, word: Word) {
        let said = self.0.word.send_if_modified(|known| {
            let differs = *known != Some(word);
            *known = Some(word);
            differs
        });
        if said {
            self.0.news.notify_one();
        }
    }

    /// What the crew said last; `None` before it has seen its pods.
    #[must_use]
    pub fn word(&self) -> Option<Word> {
        *self.0.word.borrow()
    }

    /// Callers of every Service that leads to these pods find a gateway, or not any more.
    pub fn lead(&self, led: bool) {
        self.0
            .led
            .send_if_modified(|known| std::mem::replace(known, led) != led);
    }

    /// Whether they do.
    #[must_use]
    pub fn is_led(&self) -> bool {
        *self.0.led.borrow()
    }

    /// Changes when they do.
    #[must_use]
    pub fn led(&self) -> watch::Receiver<bool> {
        self.0.led.subscribe()
    }
}
