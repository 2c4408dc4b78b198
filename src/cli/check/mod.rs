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
    ClaimFacts, ClaimSettings, Complaint, Complaints, GatewayConfig, Overrides, ReadClaim,
    TlsConfig, load_gateway, load_sidecar, load_to_look, read_claim,
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
            let tls = config.tls.as_ref();
            tell(&config.warnings, tls, || meaning(&config), out, err)
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
            let (warnings, tls) = (&gateway.warnings, gateway.tls.as_ref());
            tell(
                warnings,
                tls,
                || gateway_meaning(&gateway, &workload),
                out,
                err,
            )
        }
        Err(complaints) => complain(&complaints, err),
    }
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
            let tls = config.tls.as_ref();
            tell(&config.warnings, tls, || sidecar_meaning(&config), out, err)
        }
        Err(complaints) => complain(&complaints, err),
    }
}

/// Tells of files that can be read what is odd about them, then what they mean, unless a certificate that
/// they name cannot be used. Returns the exit code.
fn tell(
    warnings: &[Complaint],
    tls: Option<&TlsConfig>,
    meaning: impl FnOnce() -> String,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    warn(warnings, err)?;
    let certificates = tls.map(TlsConfig::look).unwrap_or_default();
    if !certificates.is_empty() {
        return complain(&certificates, err);
    }
    warn(&certificates.warnings(), err)?;
    write!(out, "{}", meaning())?;
    Ok(0)
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
