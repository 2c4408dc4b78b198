//! TLS of a gate, whatever its replicas are: its listener, and certificates that are read again when
//! they change. One that cannot be used leaves the one that was read of the same files in place.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::reload::{name_what_needs_a_restart, tell_warnings};
use crate::admin::{Board, Certificates};
use crate::config::{CertificateFiles, Complaint, Complaints, TlsConfig, Watch};
use crate::proxy::connect::Dial;
use crate::server::tls::{self, Certificate, ClientCertificates};
use crate::server::{self, Server};

/// TLS of a gate that runs.
pub(super) struct Tls {
    listen: SocketAddr,
    handshakes: Arc<tls::Tls>,
    settings: watch::Sender<TlsConfig>,
    _keeping: AbortOnDropHandle<()>,
}

impl Tls {
    /// Listens for clients that speak TLS, if certificates are named; takes nobody in yet. Reads them
    /// again when they change, if that is asked for (`watched`).
    ///
    /// # Errors
    /// [`Complaints`] when a file cannot be used; else when the address cannot be listened on.
    pub(super) fn open(
        config: Option<&TlsConfig>,
        watched: bool,
        board: &Arc<Board>,
    ) -> anyhow::Result<Option<(Self, TcpListener)>> {
        let Some(config) = config else {
            return Ok(None);
        };
        let watch = watched.then(|| Watch::new(&config.files()));
        let shown = Shown::read(config)?;
        let listener = server::listen(config.listen)
            .with_context(|| format!("could not listen on {} (TLS)", config.listen))?;
        let handshakes = Arc::new(tls::Tls::new(&shown.certificates(), shown.clients.as_ref()));
        board.set_certificates(shown.ends());
        let (settings, written) = watch::channel(config.clone());
        let keeper = Keeper {
            handshakes: Arc::clone(&handshakes),
            board: Arc::clone(board),
            shown,
        };
        let tls = Self {
            listen: listener.local_addr()?,
            handshakes,
            settings,
            _keeping: AbortOnDropHandle::new(tokio::spawn(keeper.keep(written, watch))),
        };
        Ok(Some((tls, listener)))
    }

    /// Serves who comes, until `server` drains.
    pub(super) fn serve<D: Dial>(&self, listener: TcpListener, server: &Server<D>) {
        tracing::info!("TLS on https://{}", self.listen);
        let server = server.secured(Arc::clone(&self.handshakes));
        tokio::spawn(async move { server.accept(listener).await });
    }

    /// Whether all the files that are named anew can be used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn suffices(
        this: Option<&Self>,
        config: Option<&TlsConfig>,
    ) -> Result<(), Complaints> {
        match (this, config) {
            (Some(this), Some(config)) if *this.settings.borrow() != *config => sound(config),
            _ => Ok(()),
        }
    }

    /// Takes what is written now; the files are read again in any case.
    pub(super) fn apply(this: Option<&Self>, config: Option<&TlsConfig>) {
        let Some((this, config)) = this.zip(config) else {
            name_what_needs_a_restart(&[("tls", this.is_some() != config.is_some())]);
            return;
        };
        let listen = this.settings.borrow().listen;
        name_what_needs_a_restart(&[("tls.listen", listen != config.listen)]);
        this.settings.send_replace(TlsConfig {
            listen,
            ..config.clone()
        });
    }
}

fn sound(config: &TlsConfig) -> Result<(), Complaints> {
    let complaints = config.look();
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

/// What clients are shown and asked for.
struct Shown {
    pairs: Vec<(CertificateFiles, Certificate)>,
    clients: Option<ClientCertificates>,
}

impl Shown {
    fn read(config: &TlsConfig) -> Result<Self, Complaints> {
        let mut complaints = Complaints::default();
        let before = Self {
            pairs: Vec::new(),
            clients: None,
        };
        let shown = before.again(config, |complaint| complaints.push(complaint));
        if complaints.is_empty() {
            Ok(shown)
        } else {
            Err(complaints)
        }
    }

    /// What the files say now, and of those that cannot be used what they said before.
    fn again(&self, config: &TlsConfig, mut complain: impl FnMut(Complaint)) -> Self {
        let pairs = config.certificates.iter().filter_map(|files| {
            let read = match files.read() {
                Ok(certificate) => {
                    tell_warnings(files.odd(&certificate).as_slice());
                    Some(certificate)
                }
                Err(complaint) => {
                    complain(complaint);
                    let before = self.pairs.iter().find(|(known, _)| known == files);
                    before.map(|(_, certificate)| certificate.clone())
                }
            };
            Some((files.clone(), read?))
        });
        let pairs = pairs.collect();
        let clients = config.clients().unwrap_or_else(|complaint| {
            complain(complaint);
            self.clients.clone()
        });
        Self { pairs, clients }
    }

    fn certificates(&self) -> Vec<Certificate> {
        self.pairs.iter().map(|(_, one)| one.clone()).collect()
    }

    fn ends(&self) -> Certificates {
        let ends = self.pairs.iter().map(|(files, certificate)| {
            let name = certificate.names().first();
            let name = name.cloned().unwrap_or_else(|| files.to_string());
            (name, certificate.ends())
        });
        ends.collect()
    }
}

/// Keeps what is shown as the files have it.
struct Keeper {
    handshakes: Arc<tls::Tls>,
    board: Arc<Board>,
    shown: Shown,
}

impl Keeper {
    async fn keep(mut self, mut written: watch::Receiver<TlsConfig>, mut watch: Option<Watch>) {
        loop {
            let why = tokio::select! {
                told = written.changed() => match told {
                    Ok(()) => "the configuration was read again",
                    Err(_) => return,
                },
                () = Watch::changed_if_watched(&mut watch) => "a file changed",
            };
            let config = written.borrow_and_update().clone();
            // Watched before they are read, so that no change is missed in between.
            watch = watch.map(|_| Watch::new(&config.files()));
            self.read(&config, why);
        }
    }

    fn read(&mut self, config: &TlsConfig, why: &str) {
        let mut wrong = 0;
        let shown = self.shown.again(config, |complaint| {
            wrong += 1;
            tracing::error!(%complaint, "not understood");
        });
        // Files that were sound when they were named may be gone by now: then all stays as it was.
        if !shown.pairs.is_empty() {
            self.shown = shown;
        }
        self.handshakes
            .set(&self.shown.certificates(), self.shown.clients.as_ref());
        self.board.set_certificates(self.shown.ends());
        if wrong > 0 {
            tracing::error!(why, wrong, "what cannot be used stays as it was");
        } else {
            tracing::info!(why, "certificates were read");
        }
    }
}
