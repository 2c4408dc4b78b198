//! Calm or panic.

use std::time::Instant;

/// Which average steers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The long one.
    Stable,
    /// Both, and nothing shrinks.
    Panic {
        /// The last reading at or over the threshold.
        since: Instant,
        /// The highest number wanted since it began.
        peak: u32,
    },
}

impl Mode {
    /// The word in reports and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Panic { .. } => "panic",
        }
    }
}
