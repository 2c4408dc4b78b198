//! The whole of deciding.
