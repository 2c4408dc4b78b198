//! How far a revision is, and what that follows from.

/// How far a revision is between nothing and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Replicas are wanted, and too few of them are ready.
    Activating,
    /// Enough replicas are ready.
    Active,
    /// Nobody wants it; its last replica may stay for a grace period.
    Inactive,
}

impl Condition {
    /// The word in reports and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// The next one, when `wanted` replicas were decided on (`None`: unknown) and enough of them
    /// are ready or not.
    pub(super) const fn after(self, wanted: Option<u32>, enough_ready: bool) -> Self {
        match (self, wanted, enough_ready) {
            (_, Some(0), _) | (Self::Inactive, None, _) => Self::Inactive,
            (_, _, true) => Self::Active,
            (_, _, false) => Self::Activating,
        }
    }
}
