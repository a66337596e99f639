//! placeholder

pub mod ca;
