//! What a process costs, from `/proc`. Elsewhere than on Linux nothing is known.

use std::fs;
use std::time::Duration;

/// The kernel tells user space about time in hundredths of a second, whatever its own tick is.
const USER_HZ: u32 = 100;

/// CPU time of a process since its start, user and system, all its threads.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Fields 14 and 15 of the manual, which counts from 1 and has two before the parenthesis.
    let (user, system): (u32, u32) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
    Some(Duration::from_secs(1) * (user + system) / USER_HZ)
}

/// Memory of a process in bytes, pages it shares counted by its share.
pub(crate) fn pss(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
