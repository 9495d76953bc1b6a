//! What the broker of the lab is: the ready server, and a login by SCRAM for those who want it.

use std::io::Write;

use mqtt5_tokio::{RedbStore, Server};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::Result;
use super::options::Role;
use super::scram::ScramAccess;

/// Runs the broker until standard input ends, or the process is killed.
///
/// # Errors
///
/// The port or the store cannot be used.
pub async fn serve(role: &Role) -> Result<()> {
    let mut builder = Server::builder(ScramAccess::new()?);
    if let Some(store) = &role.store {
        builder = builder.store(RedbStore::open(store)?);
    }
    let server = builder.start()?;
    let listener = TcpListener::bind(("127.0.0.1", role.port)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let mut nothing = [0];
    tokio::select! {
        ended = server.listen(listener) => Ok(ended?),
        // The lab holds the other end.
        _ = async { while !matches!(tokio::io::stdin().read(&mut nothing).await, Ok(0) | Err(_)) {} } => Ok(()),
    }
}
