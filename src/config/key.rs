//! What is known of one setting: its path in a file, its flag and environment name, its default,
//! how it is read and what it is for.

use std::fmt::Debug;

use super::complaint::{Complaints, Origin};
use super::tree::Node;

/// How a flag for a key is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once.
    One,
    /// Again and again; in the environment with commas between.
    List,
    /// As `NAME=VALUE`, again and again; in the environment with commas between.
    Map,
    /// Not at all: only in files.
    NoFlag,
}

/// What is known of a key besides its type.
#[derive(Debug)]
pub struct About {
    /// The dotted path below the file or the revision.
    pub path: &'static str,
    /// The flag without its dashes; empty when there is none.
    pub flag: &'static str,
    /// What a value is called in `--help`.
    pub value: &'static str,
    /// How the flag is given.
    pub shape: Shape,
    /// What holds when nobody says anything, as a person would write it; empty for nothing.
    pub default: &'static str,
    /// What it is for, in one sentence without a full stop.
    pub help: &'static str,
}

impl About {
    /// The environment variable of the flag.
    #[must_use]
    pub fn environment(&self) -> String {
        format!(
            "HOLDGATE_{}",
            self.flag.replace('-', "_").to_ascii_uppercase()
        )
    }
}

/// One setting and how its value is read.
pub(super) struct Key<T: 'static> {
    pub(super) about: About,
    pub(super) read: fn(&Node, &mut Complaints) -> Option<T>,
}

/// A key of any type, for the tables.
pub(super) trait AnyKey: Sync {
    fn about(&self) -> &About;
    /// Complains if the value cannot be read.
    fn check(&self, node: &Node, complaints: &mut Complaints);
    /// The value reads as the default does.
    #[cfg(test)]
    fn is_default(&self, node: &Node) -> bool;
}

impl<T: Debug + PartialEq> AnyKey for Key<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self, node: &Node, complaints: &mut Complaints) {
        (self.read)(node, complaints);
    }

    #[cfg(test)]
    fn is_default(&self, node: &Node) -> bool {
        self.default()
            .is_some_and(|default| (self.read)(node, &mut Complaints::default()) == Some(default))
    }
}

impl<T> Key<T> {
    /// The default, read as if it had been written; `None` when there is none.
    pub(super) fn default(&self) -> Option<T> {
        let written = self.about.default;
        let node = Node::plain(&Origin::CommandLine, written);
        (!written.is_empty())
            .then(|| (self.read)(&node, &mut Complaints::default()))
            .flatten()
    }
}

/// A table of keys.
pub(super) type Table = &'static [&'static dyn AnyKey];

/// Writes the keys of a table as statics, and the table.
macro_rules! keys {
    ($(#[$about_table:meta])* $table:ident {
        $($key:ident: $type:ty = $path:literal, --$flag:literal $value:literal $shape:ident,
            $default:literal, $read:expr, $help:literal;)*
    }) => {
        $(
            #[doc = $help]
            pub(super) static $key: Key<$type> = Key {
                about: About {
                    path: $path,
                    flag: $flag,
                    value: $value,
                    shape: Shape::$shape,
                    default: $default,
                    help: $help,
                },
                read: $read,
            };
        )*
        $(#[$about_table])*
        pub(super) static $table: Table = &[$(&$key),*];
    };
}
pub(super) use keys;
