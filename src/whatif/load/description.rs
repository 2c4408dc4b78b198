//! A load as a person describes it: who comes when, how long an answer and a start take. Plain
//! data; how it is written is in `grammar`, how it becomes requests in `arrivals`.

use std::time::Duration;

/// A whole description.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Description {
    /// What holds for every revision that does not say otherwise.
    pub(super) common: Part,
    /// What is said about revisions by name.
    pub(super) named: Vec<(String, Part)>,
    /// When the simulation ends; otherwise a while after the last request.
    pub(super) until: Option<Duration>,
}

/// What is said about one revision or about all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    /// Who comes when; they add up.
    pub(super) phases: Vec<Phase>,
    /// How requests of a rate are spread, unless a phase says otherwise.
    pub(super) spacing: Option<Spacing>,
    /// How long a replica takes for a request.
    pub(super) service: Option<Distribution>,
    /// How long a replica takes from its start until it is ready.
    pub(super) start: Option<Distribution>,
    /// How long a client waits for its answer before it leaves.
    pub(super) patience: Option<Distribution>,
    /// Bytes of a request's body.
    pub(super) size: Option<u64>,
}

/// Who comes within one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// So many requests per second, growing or shrinking evenly from the one to the other.
    Rate {
        /// When.
        span: Span,
        /// Requests per second at its beginning.
        from: f64,
        /// Requests per second at its end.
        to: f64,
        /// How they are spread; otherwise as the part says.
        spacing: Option<Spacing>,
    },
    /// Clients that send their next request when they have the answer to the last.
    Workers {
        /// When.
        span: Span,
        /// How many at its beginning.
        from: u32,
        /// How many at its end.
        to: u32,
    },
    /// Many at once, again and again.
    Bursts {
        /// From one burst to the next.
        every: Duration,
        /// From the first burst on, and none after that; otherwise from the beginning to the end.
        span: Option<Span>,
        /// Requests in each.
        count: u32,
        /// How long a burst lasts.
        over: Duration,
    },
    /// Many at once.
    Burst {
        /// When it begins.
        at: Duration,
        /// How many requests.
        count: u32,
        /// How long it lasts.
        over: Duration,
    },
}

impl Phase {
    /// When the last of it comes, as far as it says so itself.
    #[must_use]
    pub(super) fn end(&self) -> Option<Duration> {
        match *self {
            Self::Rate { span, .. } | Self::Workers { span, .. } => Some(span.to),
            Self::Bursts { span, .. } => span.map(|span| span.to),
            Self::Burst { at, over, .. } => Some(at.saturating_add(over)),
        }
    }
}

/// A stretch of time from the beginning of the simulation; it is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// When it begins.
    pub(super) from: Duration,
    /// When it is over.
    pub(super) to: Duration,
}

impl Span {
    /// How long it is.
    #[must_use]
    pub(super) const fn length(self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// How requests of a rate are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spacing {
    /// As people come who know nothing of each other.
    #[default]
    Poisson,
    /// As a clock ticks.
    Even,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Distribution {
    /// Always the same.
    Fixed(Duration),
    /// Half of them shorter than the median; the logarithm is normal.
    LogNormal {
        /// The median, above zero.
        median: Duration,
        /// The standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// Without memory.
    Exponential {
        /// The mean, above zero.
        mean: Duration,
    },
    /// Anything between two bounds alike.
    Uniform {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
    },
}

impl Description {
    /// Takes over what another description says as well; where both say something, it is the later.
    pub(super) fn add(&mut self, later: Self) {
        self.common.add(later.common);
        self.named.extend(later.named);
        self.until = later.until.or(self.until);
    }

    /// What is said about a revision, by its name or about all.
    pub(super) fn about(&self, revision: &str) -> Part {
        let named = self.named.iter().filter(|(name, _)| name == revision);
        let mut part = Part::default();
        named.for_each(|(_, said)| part.add(said.clone()));
        let common = &self.common;
        if part.phases.is_empty() {
            part.phases.clone_from(&common.phases);
        }
        Part {
            phases: part.phases,
            spacing: part.spacing.or(common.spacing),
            service: part.service.or(common.service),
            start: part.start.or(common.start),
            patience: part.patience.or(common.patience),
            size: part.size.or(common.size),
        }
    }
}

impl Part {
    fn add(&mut self, later: Self) {
        self.phases.extend(later.phases);
        self.spacing = later.spacing.or(self.spacing);
        self.service = later.service.or(self.service);
        self.start = later.start.or(self.start);
        self.patience = later.patience.or(self.patience);
        self.size = later.size.or(self.size);
    }
}
