//! Laws that hold over random histories.

mod admission;
