//! Settings to try: every combination of the values that were asked for, each with what the files
//! mean under it.

use std::path::PathBuf;

use crate::config::{Complaint, Complaints, Config, Origin, Overrides, Setting, load};

/// Beyond so many combinations nobody reads the table.
pub const MOST: usize = 256;

/// One combination of settings.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What was set; empty for what the files say.
    pub settings: Vec<Setting>,
    /// What the files mean under it.
    pub config: Config,
}

/// Every combination of `key=value,value` texts, those of the last text side by side.
///
/// # Errors
/// Everything that is wrong with the files, with a setting, or with settings together.
pub fn trials(
    files: &[PathBuf],
    overrides: &Overrides,
    set: &[String],
) -> Result<Vec<Trial>, Complaints> {
    let written = load(files, overrides)?;
    let names: Vec<&str> = written
        .revisions
        .iter()
        .map(|r| r.spec.id.as_str())
        .collect();
    let mut complaints = Complaints::default();
    let mut axes: Vec<Vec<Setting>> = Vec::new();
    for text in set {
        match Setting::read(text, &names) {
            Ok(values) => axes.push(values),
            Err(told) => complaints.add(&told),
        }
    }
    if let Some(complaint) = twice(&axes).or_else(|| too_many(&axes)) {
        complaints.push(complaint);
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let mut trials = Vec::new();
    for settings in combinations(&axes) {
        match load(files, &overrides.with(&settings)) {
            Ok(config) => trials.push(Trial { settings, config }),
            Err(told) => complaints.add(&told),
        }
    }
    if complaints.is_empty() {
        Ok(trials)
    } else {
        Err(complaints)
    }
}

fn complaint(path: String, message: String) -> Complaint {
    Complaint {
        origin: Origin::Flag("--set".to_owned()),
        path,
        message,
    }
}

fn twice(axes: &[Vec<Setting>]) -> Option<Complaint> {
    let first: Vec<&Setting> = axes.iter().filter_map(|axis| axis.first()).collect();
    let again = (1..first.len()).find(|at| {
        let before = &first[..*at];
        before.iter().any(|key| key.is_about_the_same(first[*at]))
    })?;
    let message = "set twice, wanted all values at once, with commas between";
    Some(complaint(first[again].key(), message.to_owned()))
}

fn too_many(axes: &[Vec<Setting>]) -> Option<Complaint> {
    let count = axes.iter().map(Vec::len).fold(1, usize::saturating_mul);
    let message = format!("wanted at most {MOST} combinations, not {count}");
    (count > MOST).then(|| complaint(String::new(), message))
}

fn combinations(axes: &[Vec<Setting>]) -> Vec<Vec<Setting>> {
    axes.iter().fold(vec![Vec::new()], |all, axis| {
        let longer = all.iter().flat_map(|one: &Vec<Setting>| {
            axis.iter().map(move |next| {
                let mut one = one.clone();
                one.push(next.clone());
                one
            })
        });
        longer.collect()
    })
}
