//! Who may be sent to a replica now, who waits and who is refused.

pub mod meter;
