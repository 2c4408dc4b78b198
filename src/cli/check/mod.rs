//! `holdgate check`: what files mean in plain words, or everything that is wrong with them.

mod meaning;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

pub use self::meaning::meaning;
use self::meaning::{gateway_meaning, sidecar_meaning};
use super::{FileArgs, complain, warn};
use crate::backend::Resources;
use crate::config::{
    ClaimFacts, ClaimSettings, Complaints, GatewayConfig, Overrides, ReadClaim, TlsConfig,
    load_gateway, load_sidecar, load_to_look, read_claim,
};
use crate::revision::RevisionId;

/// What `check --help` shows at its end.
pub(super) const EXAMPLES: &str = "\
Examples:
  holdgate check -f models.yaml
  holdgate check -f inference-service.yaml -f config-autoscaler.yaml
  holdgate check --gateway -f gateway.yaml
  holdgate check --sidecar -f sidecar.yaml

Exit codes: 0 fine, 2 something is wrong with them.";

/// What `check` is given.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Which files.
    #[command(flatten)]
    pub files: FileArgs,
    /// The files are those of a gateway in a cluster
    #[arg(long)]
    pub gateway: bool,
    /// The files are those of a sidecar beside one model server
    #[arg(long, conflicts_with = "gateway")]
    pub sidecar: bool,
}

/// Reads files and tells about them: what they mean goes to `out`, complaints and warnings go to
/// `err`. Returns the exit code, 0 or 2.
///
/// # Errors
/// `out` or `err` cannot be written.
pub fn check(files: &[PathBuf], out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match load_to_look(files, &Overrides::default()) {
        Ok(config) => {
            warn(&config.warnings, err)?;
            if let Some(code) = certificates(config.tls.as_ref(), err)? {
                return Ok(code);
            }
            write!(out, "{}", meaning(&config))?;
            Ok(0)
        }
        Err(complaints) => {
            let code = complain(&complaints, err)?;
            if files.is_empty() {
                return Ok(code);
            }
            if load_gateway(files, &Overrides::default()).is_ok() {
                let hint = "what is meant for a gateway is read by: check --gateway";
                writeln!(err, "{hint}")?;
            } else if load_sidecar(files, &Overrides::default()).is_ok() {
                let hint = "what is meant for a sidecar is read by: check --sidecar";
                writeln!(err, "{hint}")?;
            }
            Ok(code)
        }
    }
}

/// The same with the files of a gateway.
///
/// # Errors
/// `out` or `err` cannot be written.
pub fn check_gateway(
    files: &[PathBuf],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let read = load_gateway(files, &Overrides::default())
        .and_then(|gateway| gateway.replica_tls().map(|_| gateway))
        .and_then(|gateway| Ok((plain_workload(&gateway)?, gateway)));
    match read {
        Ok((workload, gateway)) => {
            warn(&gateway.warnings, err)?;
            if let Some(code) = certificates(gateway.tls.as_ref(), err)? {
                return Ok(code);
            }
            write!(out, "{}", gateway_meaning(&gateway, &workload))?;
            Ok(0)
        }
        Err(complaints) => complain(&complaints, err),
    }
}

/// Looks at the files of certificates. Returns the exit code if one cannot be used.
fn certificates(tls: Option<&TlsConfig>, err: &mut dyn Write) -> io::Result<Option<u8>> {
    let told = tls.map(TlsConfig::look).unwrap_or_default();
    warn(&told.warnings(), err)?;
    if told.is_empty() {
        return Ok(None);
    }
    complain(&told, err).map(Some)
}

/// The same with the files of a sidecar.
///
/// # Errors
/// `out` or `err` cannot be written.
pub fn check_sidecar(
    files: &[PathBuf],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    match load_sidecar(files, &Overrides::default()) {
        Ok(config) => {
            warn(&config.warnings, err)?;
            if let Some(code) = certificates(config.tls.as_ref(), err)? {
                return Ok(code);
            }
            write!(out, "{}", sidecar_meaning(&config))?;
            Ok(0)
        }
        Err(complaints) => complain(&complaints, err),
    }
}

/// What a workload becomes that says nothing of its own but that it is ours.
fn plain_workload(gateway: &GatewayConfig) -> Result<ReadClaim, Complaints> {
    let facts = ClaimFacts {
        revision: RevisionId::new("name.namespace"),
        domain: None,
        services: Vec::new(),
        args: Vec::new(),
        resources: Resources::default(),
    };
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "name", "namespace": "namespace" },
    });
    read_claim(&ClaimSettings::Workload(&object), &facts, gateway)
}
