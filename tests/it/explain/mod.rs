//! Why there are as many replicas as there are, in the words that people read.

mod behind;
mod golden;
mod scene;
mod short;
mod whole;
