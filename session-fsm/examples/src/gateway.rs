//! The program `gateway`: between clients and a server, with the codec alone.

mod relay;
mod rewrite;

pub use self::relay::{Gateway, RelayError};
pub use self::rewrite::{RewriteError, Rewriter};
