//! The program `broker`: its configuration, who may do what, listeners, and the topics of its own.

pub mod access;
pub mod configuration;
pub mod listeners;
pub mod log;
pub mod passwords;
pub mod statistics;

mod run;

pub use self::run::{Failure, run};
