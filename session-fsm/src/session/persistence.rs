//! Sessions and their changes as bytes.

pub(crate) mod format;
pub(crate) mod parts;
pub(crate) mod record;
mod snapshot;
