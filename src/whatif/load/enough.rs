//! Whether what is known of a load is enough to live through.

use std::sync::Arc;

use super::plan::Plan;
use super::{File, Source};
use crate::config::{Complaint, Complaints, Origin, RevisionConfig};

/// Says what is missing, and what is of no use.
pub(super) fn check(source: &Source, revisions: &[RevisionConfig]) -> Result<(), Complaints> {
    let mut complaints = Complaints::default();
    let names: Vec<&str> = revisions.iter().map(|r| r.spec.id.as_str()).collect();
    let told = source.described.named.iter();
    let told = told.map(|(name, _)| (flag(), name.as_str()));
    for (origin, name) in told.chain(source.named_in_file()) {
        if !names.contains(&name) {
            let known = names.join(", ");
            let message = format!("wanted the name of a revision ({known}), not {name}");
            complaints.push(complaint(origin, message));
        }
    }
    if let Some(File::Table(table)) = &source.file
        && names.len() > 1
        && table.revisions.iter().any(|(name, _)| name.is_none())
    {
        let message = "wanted a column revision, as there are several";
        complaints.push(complaint(
            Origin::WholeFile(Arc::clone(&table.file)),
            message,
        ));
    }
    let plans: Vec<Plan> = names.iter().map(|name| Plan::new(source, name)).collect();
    for (name, plan) in names.iter().zip(&plans) {
        plan.check(name, &mut complaints);
    }
    let ends = plans.iter().filter_map(Plan::end).max();
    if complaints.is_empty() && ends.or(source.described.until).is_none() {
        let message = without_end(source, &names, &plans);
        complaints.push(complaint(flag(), message));
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

/// What is missing where nothing says when it ends.
fn without_end(source: &Source, names: &[&str], plans: &[Plan]) -> String {
    let others = source.names_in_record().join(", ");
    if !plans.iter().all(Plan::is_nobody) {
        "wanted an end of the bursts, such as until 10m".to_owned()
    } else if others.is_empty() {
        "wanted somebody to come, such as step 0..60s 5rps".to_owned()
    } else {
        let known = names.join(", ");
        format!("wanted a record of revision {known}, this one is of {others}")
    }
}

fn flag() -> Origin {
    Origin::Flag(super::FLAG.to_owned())
}

fn complaint(origin: Origin, message: impl Into<String>) -> Complaint {
    Complaint {
        origin,
        path: String::new(),
        message: message.into(),
    }
}

impl Plan {
    fn check(&self, name: &str, complaints: &mut Complaints) {
        if self.is_nobody() {
            return;
        }
        let mut rows = self.rows.iter().flat_map(|rows| rows.iter());
        let untold = !self.part.phases.is_empty() || rows.any(|row| row.service.is_none());
        let mut missing = |what: &str, such_as: &str| {
            let message = format!("wanted {what} in revision {name}, such as {such_as}");
            complaints.push(complaint(flag(), message));
        };
        if untold && self.part.service.is_none() {
            missing("how long an answer takes", "service 200ms");
        }
        if self.recorded.is_none() && self.part.start.is_none() {
            missing("how long a start takes", "start 45s");
        }
    }
}
