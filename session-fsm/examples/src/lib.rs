//! What the example programs share.

pub mod broker;
pub mod gateway;
pub mod lab;
pub mod tools;
