//! The processes of a group, where the machine tells without special rights.

use procfs::process::{Process, Stat, all_processes};

/// Every process in one of these groups. One that ends meanwhile is left out.
pub(super) fn members(groups: &[i32]) -> impl Iterator<Item = (Process, Stat)> {
    let processes = all_processes().into_iter().flatten().flatten();
    processes.filter_map(|process| {
        let stat = process.stat().ok()?;
        groups.contains(&stat.pgrp).then_some((process, stat))
    })
}
