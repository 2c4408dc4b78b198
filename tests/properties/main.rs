//! Laws that hold over random histories.

mod admission;
mod fairness;
mod gateways;
mod ledger;
mod lives;
mod memory;
mod model;
mod places;
mod shares;
