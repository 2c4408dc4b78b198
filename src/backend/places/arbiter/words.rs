//! What a wish waits for, for decisions and for people.

use super::{Arbiter, Party};
use crate::autoscale::Shortage;

impl Arbiter {
    /// What its wish waits for; `None` when it has none.
    #[must_use]
    pub fn lacks(&self, party: Party) -> Option<Shortage> {
        Some(self.parties.get(&party)?.wish?.lacks)
    }

    /// The same for a person.
    #[must_use]
    pub fn complaint(&self, party: Party) -> Option<String> {
        let wish = self.parties.get(&party)?.wish?;
        Some(match wish.lacks {
            Shortage::MaxProcesses if self.limit == 1 => {
                "1 process is the most --max-processes allows".to_owned()
            }
            Shortage::MaxProcesses => {
                format!(
                    "{} processes are the most --max-processes allows",
                    self.limit
                )
            }
            _ => self.complain_of_devices(wish.devices),
        })
    }

    fn complain_of_devices(&self, wanted: usize) -> String {
        let (free, all) = (self.free_devices().len(), self.devices.len());
        let text = match free {
            0 => "no GPU is free".to_owned(),
            _ => format!("{free} of {all} GPUs free, a replica needs {wanted}"),
        };
        let mut users: Vec<&str> = self
            .places
            .values()
            .filter(|held| !held.devices.is_empty())
            .filter_map(|held| Some(self.parties.get(&held.party)?.name.as_str()))
            .collect();
        users.sort_unstable();
        users.dedup();
        match users.as_slice() {
            [] => text,
            users => format!("{text}; in use by {}", users.join(", ")),
        }
    }
}
