//! The devices of this machine: what is written, else what `nvidia-smi` lists. It is asked once, and
//! only when a revision wants devices and nobody has written which there are.

use crate::backend::gpus;
use crate::backend::places::Places;
use crate::config::{Complaint, Complaints, Config, Origin};
use crate::counting::size;

/// The places of this machine and what is known of its devices.
#[derive(Debug)]
pub(super) struct Devices {
    places: Places,
    /// How many there are; `None` as long as nobody had to know.
    known: Option<usize>,
}

impl Devices {
    /// Those that the revisions need, if they need any.
    pub(super) async fn find(config: &Config) -> Result<Self, Complaints> {
        let most = size(config.max_processes);
        let mut devices = Self {
            places: Places::new(most),
            known: None,
        };
        if let Some(written) = config.gpus.clone() {
            devices.adopt(written);
        }
        devices.suffice(config).await?;
        Ok(devices)
    }

    /// The places, with these devices.
    pub(super) const fn places(&self) -> &Places {
        &self.places
    }

    /// Whether no replica wants more devices than there are, which is looked up if it has to be.
    pub(super) async fn suffice(&mut self, config: &Config) -> Result<(), Complaints> {
        let wishes = config.revisions.iter().filter_map(|revision| {
            let wanted = size(revision.process.as_ref()?.gpus);
            Some((&revision.spec.id, wanted))
        });
        let wishes: Vec<_> = wishes.filter(|(_, wanted)| *wanted > 0).collect();
        if wishes.is_empty() {
            return Ok(());
        }
        let known = match self.known {
            Some(known) => known,
            None => self.adopt(gpus::list().await.map_err(|why| not_found(&why))?),
        };
        let mut complaints = Complaints::default();
        for (id, wanted) in wishes.into_iter().filter(|(_, wanted)| *wanted > known) {
            let message = format!(
                "{id} wants {wanted} GPUs in each replica, there are {known} (--gpus names them)"
            );
            complaints.push(complaint(message));
        }
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints)
        }
    }

    fn adopt(&mut self, devices: Vec<String>) -> usize {
        let count = devices.len();
        self.places.equip(devices);
        self.known = Some(count);
        count
    }
}

fn not_found(why: &gpus::NotFound) -> Complaints {
    let mut complaints = Complaints::default();
    complaints.push(complaint(format!(
        "wanted --gpus (gpus in a file) to name the devices: {why}"
    )));
    complaints
}

fn complaint(message: String) -> Complaint {
    Complaint {
        origin: Origin::CommandLine,
        path: "process.gpus".to_owned(),
        message,
    }
}
