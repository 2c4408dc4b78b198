//! Flags out of the tables of `config`: their names, help and environment names are written there
//! once. Values stay text here.

use std::collections::BTreeMap;

use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{
    About, Shape, gate_flags, gateway_flags, logging_flags, revision_flags, sidecar_flags,
    sidecar_revision_flags,
};

/// The values that flags were given, by their names.
type Given = BTreeMap<&'static str, Vec<String>>;

macro_rules! flags {
    ($(#[$about:meta])* $name:ident, $table:ident, $heading:expr, global: $global:literal) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $name(Given);

        impl $name {
            /// The values of a flag by its name without dashes; none when it was not given.
            #[must_use]
            pub fn values(&self, flag: &str) -> Vec<String> {
                self.0.get(flag).cloned().unwrap_or_default()
            }
        }

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                let arg = |about| arg(about).help_heading($heading(about)).global($global);
                command.args($table().map(arg))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
                Ok(Self($table().filter_map(|about| given(about, matches)).collect()))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
                self.0.extend($table().filter_map(|about| given(about, matches)));
                Ok(())
            }
        }
    };
}

flags! {
    /// Flags of every command.
    LoggingFlags, logging_flags, |_| "Logging", global: true
}
flags! {
    /// Flags of a gate as a whole.
    GateFlags, gate_flags, |_| "The gate", global: false
}
flags! {
    /// Flags of a gateway in a cluster.
    GatewayFlags, gateway_flags, |_| "The gateway", global: false
}
flags! {
    /// Flags of a sidecar.
    SidecarFlags, sidecar_flags, |_| "The sidecar", global: false
}
flags! {
    /// Flags of the model server behind a sidecar.
    GuardedFlags, sidecar_revision_flags, |_| "The model server's door", global: false
}
flags! {
    /// Flags of one revision.
    RevisionFlags, revision_flags, part_of_a_revision, global: false
}

/// There are many; files put them into the same parts.
fn part_of_a_revision(about: &About) -> &'static str {
    match about.path.split_once('.') {
        Some(("queue", _)) => "One revision: its queue",
        Some(("autoscaling", _)) => "One revision: its autoscaler",
        Some(("process", _)) => "One revision: its model servers",
        _ => "One revision",
    }
}

fn arg(about: &'static About) -> Arg {
    let again = matches!(about.shape, Shape::List | Shape::Map);
    let default = match about.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let repeat = if again { " (again and again)" } else { "" };
    let help = format!("{}{repeat}{default}", about.help);
    Arg::new(about.flag)
        .long(about.flag)
        .value_name(about.value)
        .action(if again {
            ArgAction::Append
        } else {
            ArgAction::Set
        })
        // So that our own bounds answer, instead of "unexpected argument -1".
        .allow_negative_numbers(true)
        .long_help(format!("{help} [env: {}]", about.environment()))
        .help(help)
}

fn given(about: &'static About, matches: &ArgMatches) -> Option<(&'static str, Vec<String>)> {
    let values = matches.get_many::<String>(about.flag)?;
    Some((about.flag, values.cloned().collect()))
}
