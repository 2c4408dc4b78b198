//! Clients that each have one request here all the time: the next is sent when the one before is
//! over.

use std::time::Duration;

use super::agenda::Event;
use super::door::Wants;
use super::load::Turns;
use super::requests::{Request, Stage};
use super::site::{Scene, Site};

/// A worker who is refused does not ask again at once.
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// The least a replica takes for a worker's request, so that time passes between two of them.
const LEAST_SERVICE: Duration = Duration::from_micros(1);

impl Site {
    pub(super) fn begin_workers(&mut self, group: u32, scene: &mut Scene) {
        for _ in 0..self.load.workers[group as usize].count {
            self.work(group, scene);
        }
    }

    /// A worker sends a request, unless its time is over.
    pub(super) fn work(&mut self, group: u32, scene: &mut Scene) {
        if scene.agenda.passed() < self.load.workers[group as usize].until {
            let request = Request {
                arrived: scene.agenda.now(),
                service: (self.load.service)().max(LEAST_SERVICE),
                stream: false,
                deadline: None,
                turns: Turns::UNKNOWN,
                worker: Some(group),
                stage: Stage::Arriving,
            };
            self.arrive(request, Wants::default(), scene);
        }
    }

    /// If a worker sent it, there is another.
    pub(super) fn send_next(&self, request: &Request, pause: Duration, scene: &mut Scene) {
        if let Some(group) = request.worker {
            scene.agenda.after(pause, self.index, Event::Again(group));
        }
    }
}
