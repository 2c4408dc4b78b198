//! Numbers in the types that they are told in: what is more than such a type can say is as much as it
//! can.

use std::time::Duration;

/// As many as there are.
#[must_use]
pub fn count(n: impl TryInto<u32>) -> u32 {
    n.try_into().unwrap_or(u32::MAX)
}

/// As many, as a length.
#[must_use]
pub fn size(n: u32) -> usize {
    n.try_into().unwrap_or(usize::MAX)
}

/// Whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Nanoseconds.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_cannot_say_is_as_much_as_it_can() {
        assert_eq!((count(7_usize), count(7_u64), size(7)), (7, 7, 7));
        assert_eq!(count(u64::from(u32::MAX) + 1), u32::MAX);
        let short = Duration::from_micros(1_999);
        assert_eq!((millis(short), nanos(short)), (1, 1_999_000));
        let long = Duration::MAX;
        assert_eq!((millis(long), nanos(long)), (u64::MAX, u64::MAX));
    }
}
