//! The broker of the lab, as a process of its own, which can be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Result;

/// How long the broker may take to start.
const START: Duration = Duration::from_secs(20);

/// A broker in a process of its own. It is killed when this value is dropped, and ends by itself when the lab ends.
#[derive(Debug)]
pub struct BrokerProcess {
    program: PathBuf,
    store: Option<PathBuf>,
    child: Child,
    address: SocketAddr,
}

impl BrokerProcess {
    /// Starts a broker: `program` is the lab itself. With a store it keeps Sessions and messages in this file.
    ///
    /// # Errors
    ///
    /// The process cannot be started, or does not say in time where it listens.
    pub async fn start(program: &Path, store: Option<&Path>) -> Result<Self> {
        let (child, address) = start(program, store, 0).await?;
        Ok(BrokerProcess {
            program: program.to_owned(),
            store: store.map(Path::to_owned),
            child,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the process: SIGKILL, so that it has no time for anything.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Starts the broker again, at the same address and with the same store.
    ///
    /// # Errors
    ///
    /// As [`BrokerProcess::start`].
    pub async fn restart(&mut self) -> Result<()> {
        let _ = self.child.kill().await;
        let store = self.store.as_deref();
        let (child, address) = start(&self.program, store, self.address.port()).await?;
        (self.child, self.address) = (child, address);
        Ok(())
    }

    /// The memory that the process holds, in bytes; `None` if the system does not say.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        memory(&self.child.id()?.to_string())
    }
}

/// The memory that the lab itself holds, in bytes; `None` if the system does not say.
#[must_use]
pub fn own_memory() -> Option<u64> {
    memory("self")
}

fn memory(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

async fn start(program: &Path, store: Option<&Path>, port: u16) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(program);
    command.arg("--serve").arg(format!("--port={port}"));
    if let Some(store) = store {
        command.arg("--store").arg(store);
    }
    let mut child = command
        // It ends when the pipe does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("The broker cannot be started: {error}."))?;
    let stdout = child.stdout.take().ok_or("The broker has no output.")?;
    let mut line = String::new();
    let mut output = BufReader::new(stdout);
    let read = timeout(START, output.read_line(&mut line)).await;
    read.map_err(|_| "The broker did not start in time.")??;
    let address = line.trim().parse();
    let address = address.map_err(|_| format!("The broker did not start: {line}"))?;
    Ok((child, address))
}
