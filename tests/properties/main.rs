//! Laws that hold over random histories.

mod admission;
mod ledger;
mod lives;
mod memory;
