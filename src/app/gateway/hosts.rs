//! Who keeps a host, or a model's name, that several revisions claim: the one whose owner is the older.
//! Decided anew whenever a claim comes, changes or goes, so that the next one gets it when the first is gone.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use crate::revision::RevisionId;

/// What one revision wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) revision: &'a RevisionId,
    /// Requests go there. Who is only told about never keeps a host from who serves.
    pub(super) serves: bool,
    /// When its owner was made.
    pub(super) created: SystemTime,
    pub(super) hosts: &'a [String],
    pub(super) models: &'a [String],
}

/// By what a request finds its revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Host(String),
    Model(String),
}

/// A way that does not lead to a revision that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) way: Way,
    /// To whom it leads.
    pub(super) to: RevisionId,
    /// Whose owner is the older; otherwise it serves, and the other does not.
    pub(super) is_older: bool,
}

/// For each revision the ways that do not lead to it.
pub(super) type Lost = BTreeMap<RevisionId, Vec<Elsewhere>>;

/// Gives every way to one of those that want it.
pub(super) fn settle(mut wishes: Vec<Wish<'_>>) -> Lost {
    wishes.sort_by_key(|wish| (!wish.serves, wish.created, wish.revision));
    let mut taken: HashMap<Way, (&RevisionId, SystemTime)> = HashMap::new();
    let mut lost = Lost::new();
    for wish in wishes {
        let hosts = wish.hosts.iter().cloned().map(Way::Host);
        let models = wish.models.iter().cloned().map(Way::Model);
        for way in hosts.chain(models) {
            let this = (wish.revision, wish.created);
            let (winner, created) = *taken.entry(way.clone()).or_insert(this);
            if winner != wish.revision {
                lost.entry(wish.revision.clone())
                    .or_default()
                    .push(Elsewhere {
                        way,
                        to: winner.clone(),
                        is_older: created < wish.created,
                    });
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn winner(wishes: &[(&str, bool, u64)]) -> String {
        let hosts = ["a.example.com".to_owned()];
        let ids: Vec<_> = wishes.iter().map(|w| RevisionId::new(w.0)).collect();
        let wish = |(revision, (_, serves, age)): (_, &(&str, bool, u64))| Wish {
            revision,
            serves: *serves,
            created: UNIX_EPOCH + Duration::from_secs(*age),
            hosts: &hosts,
            models: &hosts,
        };
        let lost = settle(ids.iter().zip(wishes).map(wish).collect());
        let mut kept = ids.iter().filter(|id| !lost.contains_key(*id));
        let kept = kept.next().expect("one of them keeps it").to_string();
        let told = lost.values().flatten().all(|it| it.to.as_str() == kept);
        assert!(told, "{lost:?}");
        kept
    }

    #[test]
    fn the_older_keeps_it_whatever_they_are_called() {
        assert_eq!(winner(&[("a", true, 2), ("b", true, 1)]), "b");
        assert_eq!(
            winner(&[("a", true, 1), ("b", true, 2), ("c", true, 3)]),
            "a"
        );
        assert_eq!(winner(&[("b", true, 1), ("a", true, 1)]), "a", "of one age");
    }

    #[test]
    fn who_does_not_serve_keeps_it_from_nobody() {
        assert_eq!(winner(&[("a", false, 1), ("b", true, 2)]), "b");
    }
}
