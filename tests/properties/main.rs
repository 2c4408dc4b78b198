//! Laws that hold over random histories.

mod admission;
mod gateways;
mod ledger;
mod lives;
mod memory;
mod places;
mod shares;
