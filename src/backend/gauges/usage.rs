//! What process groups use of this machine: processor time since they began, and memory now.

use std::collections::HashMap;
use std::time::Duration;

/// What the processes of one group use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, with that of the children they have waited for: what a short-lived child
    /// has used stays in the sum.
    pub(super) cpu: Duration,
    /// Resident memory in bytes, a shared page by the share of each process that has it (PSS), so
    /// that workers forked from one parent do not count its pages again and again. Where the
    /// system does not tell, the resident set (RSS). 0 where it was not asked for.
    pub(super) memory: u64,
}

/// What each of these groups uses. A group of which nothing is left is missing. Memory is asked
/// for by itself: the system walks the page tables to tell it.
///
/// # Errors
/// A word for a person, where this system tells nothing.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems tell nothing")]
pub(super) fn of_groups(groups: &[i32], memory: bool) -> Result<HashMap<i32, Usage>, String> {
    let mut all: HashMap<i32, Usage> = HashMap::new();
    for (process, stat) in super::super::members::members(groups) {
        let group = all.entry(stat.pgrp).or_default();
        group.cpu += linux::processor_time(&stat);
        if memory {
            group.memory += linux::resident(&process, &stat);
        }
    }
    Ok(all)
}

/// What each of these groups uses.
///
/// # Errors
/// A word for a person, where this system tells nothing.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_groups(_groups: &[i32], _memory: bool) -> Result<HashMap<i32, Usage>, String> {
    Err("processor time and memory cannot be read on this system".to_owned())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use procfs::process::{Process, Stat};
    use procfs::{page_size, ticks_per_second};

    pub(super) fn processor_time(stat: &Stat) -> Duration {
        let waited_for = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0));
        let ticks = stat.utime + stat.stime + waited_for[0] + waited_for[1];
        let per_second = ticks_per_second().max(1);
        let (seconds, rest) = (ticks / per_second, ticks % per_second);
        Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / per_second)
    }

    pub(super) fn resident(process: &Process, stat: &Stat) -> u64 {
        let shares = process.smaps_rollup().ok().and_then(|rollup| {
            let maps = rollup.memory_map_rollup.0.into_iter();
            let shares = maps.filter_map(|map| map.extension.map.get("Pss").copied());
            shares.reduce(|sum, share| sum + share)
        });
        shares.unwrap_or_else(|| stat.rss * page_size())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn our_own(memory: bool) -> Usage {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        of_groups(&[group, i32::MAX], memory).unwrap()[&group]
    }

    #[test]
    fn work_and_memory_of_our_own_group_are_seen() {
        const MIB: u64 = 1 << 20;
        let before = our_own(true);
        let hog = vec![1_u8; 64 << 20];
        let mut rounds = 0_u64;
        while our_own(false).cpu < before.cpu + Duration::from_millis(50) {
            rounds += hog.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }

        let after = our_own(true);

        assert!(rounds > 0);
        assert!(
            after.memory >= before.memory + 32 * MIB,
            "{before:?} {after:?}"
        );
    }

    #[test]
    fn a_group_of_which_nothing_is_left_is_missing() {
        assert_eq!(of_groups(&[i32::MAX], true), Ok(HashMap::new()));
    }
}
