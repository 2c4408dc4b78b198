//! What is written about TLS to replicas, and the files that it names: read where something runs, not
//! where it is only looked at.

use std::path::PathBuf;

use super::complaint::Complaints;
use super::key::Key;
use super::keys as k;
use super::layers::Layers;
use super::tls::{CertificateFiles, WrittenFile};
use super::tree::Node;
use crate::tls::ReplicaTls;
#[cfg(feature = "tls")]
use crate::tls::Unfit;

/// The keys that name files.
const FILES: [&Key<PathBuf>; 3] = [
    &k::UPSTREAM_CA,
    &k::UPSTREAM_CERT_FILE,
    &k::UPSTREAM_KEY_FILE,
];

/// Whether this is the path of a key that names a file of whoever reads it.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|key| key.about.path == path)
}

/// Every file that these layers name.
pub(super) fn files(layers: &Layers<'_>) -> Vec<PathBuf> {
    let files = FILES.iter().filter_map(|key| layers.written(key));
    files.collect()
}

/// How replicas are reached by TLS; `None` where they are to be reached without.
pub(super) fn settle(layers: &Layers<'_>, complaints: &mut Complaints) -> Option<ReplicaTls> {
    wish(layers, complaints).and_then(|wish| wish.read(complaints))
}

/// Complains about what does not go together, and looks into no file.
pub(super) fn check(layers: &Layers<'_>, complaints: &mut Complaints) {
    wish(layers, complaints);
}

/// The same as is settled, whether or not it is switched on: nothing where it could not be.
pub(super) fn prepare(layers: &Layers<'_>, complaints: &mut Complaints) -> Option<ReplicaTls> {
    let is_told = layers.node(&k::UPSTREAM_CA).is_some() || believes_all(layers);
    let at = mentioned(layers).filter(|_| is_told)?;
    Wish::of(layers, at, complaints).and_then(|wish| wish.read(complaints))
}

fn wish<'a>(layers: &Layers<'a>, complaints: &mut Complaints) -> Option<Wish<'a>> {
    let at = match layers.written(&k::UPSTREAM_TLS) {
        Some(false) => None,
        Some(true) => layers.node(&k::UPSTREAM_TLS),
        None => mentioned(layers),
    };
    Wish::of(layers, at?, complaints)
}

fn believes_all(layers: &Layers<'_>) -> bool {
    layers.value(&k::UPSTREAM_UNVERIFIED)
}

/// Where something is said of it that means nothing without it.
fn mentioned<'a>(layers: &Layers<'a>) -> Option<&'a Node> {
    let files = FILES.iter().find_map(|key| layers.node(key));
    let name = || layers.node(&k::UPSTREAM_NAME);
    let unverified = || layers.node(&k::UPSTREAM_UNVERIFIED);
    let unverified = || unverified().filter(|_| believes_all(layers));
    files.or_else(name).or_else(unverified)
}

/// What is wanted, before a file was looked at.
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nobody reads it"))]
struct Wish<'a> {
    at: &'a Node,
    /// `None` believes everybody.
    authorities: Option<WrittenFile>,
    name: Option<(&'a Node, String)>,
    own: Option<CertificateFiles>,
}

impl<'a> Wish<'a> {
    fn of(layers: &Layers<'a>, at: &'a Node, complaints: &mut Complaints) -> Option<Self> {
        let file = |key: &Key<PathBuf>| {
            let node = layers.node(key)?;
            Some(WrittenFile::new(node, layers.written(key)?))
        };
        let [authorities, cert, key] = FILES.map(file);
        let name = layers.node(&k::UPSTREAM_NAME);
        let authorities = authorities.filter(|_| !believes_all(layers));
        let flaw = if cfg!(not(feature = "tls")) {
            Some(at.complaint("this build of holdgate has no TLS"))
        } else if authorities.is_none() && !believes_all(layers) {
            Some(at.complaint(
                "wanted the authorities of their certificates as well (upstreamTls.caFile), or \
                 upstreamTls.insecureSkipVerify: true",
            ))
        } else {
            match (&cert, &key) {
                (Some(one), None) => {
                    Some(one.complaint("wanted its key as well (upstreamTls.keyFile)"))
                }
                (None, Some(one)) => {
                    Some(one.complaint("wanted its certificate as well (upstreamTls.certFile)"))
                }
                _ => None,
            }
        };
        if let Some(flaw) = flaw {
            complaints.push(flaw);
            return None;
        }
        let own = cert.zip(key);
        Some(Self {
            at,
            authorities,
            name: name.zip(layers.written(&k::UPSTREAM_NAME)),
            own: own.map(|(cert, key)| CertificateFiles { cert, key }),
        })
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "as where there is TLS")]
    fn read(self, _: &mut Complaints) -> Option<ReplicaTls> {
        None
    }

    #[cfg(feature = "tls")]
    fn read(self, complaints: &mut Complaints) -> Option<ReplicaTls> {
        let authorities = self.authorities.as_ref().map(|file| &*file.path);
        let own = self.own.as_ref();
        let own = own.map(|own| (&*own.cert.path, &*own.key.path));
        let name = self.name.as_ref().map(|(_, name)| name.as_str());
        let unfit = match ReplicaTls::read(authorities, name, own) {
            Ok(tls) => return Some(tls),
            Err(unfit) => unfit,
        };
        let complaint = match (unfit, self.authorities, self.name, self.own) {
            (Unfit::Authorities(why), Some(file), _, _) => file.complaint(why),
            (Unfit::Name(why), _, Some((node, _)), _) => node.complaint(why),
            (Unfit::Certificate(why), _, _, Some(own)) => own.cert.complaint(why),
            (Unfit::Key(why), _, _, Some(own)) => own.key.complaint(why),
            (
                Unfit::Authorities(why)
                | Unfit::Name(why)
                | Unfit::Certificate(why)
                | Unfit::Key(why),
                ..,
            ) => self.at.complaint(why),
        };
        complaints.push(complaint);
        None
    }
}
