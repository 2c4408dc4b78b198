//! What if: loads as people give them, settings to try on them, and what came of it as a table, a
//! chart, a picture and files. The living through is done by `simulate`; what settings mean is
//! decided in `config`.

pub mod agreement;
mod axis;
pub mod chart;
mod course;
pub mod json;
pub mod load;
pub mod plot;
pub mod run;
pub mod series;
pub mod summary;
pub mod table;
pub mod trial;
