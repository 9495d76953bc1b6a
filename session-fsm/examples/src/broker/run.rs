//! Starts the broker as configured, and shuts it down.

use std::fmt;
use std::time::Duration;

use mqtt5_tokio::{ReasonCode, RedbStore, Server};
use tokio::task::JoinSet;
use tracing::info;

use super::access::{Guard, Rules};
use super::configuration::{Configuration, DEFAULT_ADDRESS};
use super::listeners::{self, Listener};
use super::passwords::Passwords;
use super::{log, statistics};

/// The reason why a program cannot continue, as one or two sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// How often the broker's own topics are published by default, in seconds.
const STATISTICS: u32 = 10;

/// Runs the broker until `stop` completes. Calls `ready` once, with the addresses at which it listens.
///
/// # Errors
///
/// The configuration cannot be applied, or the store has failed.
pub async fn run(
    configuration: &Configuration,
    ready: impl FnOnce(&[String]),
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let tls = configuration
        .tls
        .as_ref()
        .map(listeners::acceptor)
        .transpose()?;
    let default = [DEFAULT_ADDRESS.to_owned()];
    let addresses = match &configuration.listen[..] {
        [] => &default,
        addresses => addresses,
    };
    // Before the store is opened: if the address is in use, another broker may have the store.
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(Listener::open(address, tls.as_ref()).await?);
    }
    let server = start(configuration)?;
    let mut tasks = JoinSet::new();
    let mut names = Vec::new();
    for listener in listeners {
        names.push(
            listener
                .address()
                .map_err(|error| Failure(format!("A listener has no address: {error}.")))?,
        );
        tasks.spawn(listener.serve(server.clone()));
    }
    let every = configuration.statistics.unwrap_or(STATISTICS);
    let publishing = match every {
        0 => None,
        seconds => {
            let every = Duration::from_secs(seconds.into());
            Some(tokio::spawn(statistics::publish(server.clone(), every)))
        }
    };
    ready(&names);
    tokio::select! {
        () = stop => info!("the broker shuts down: it disconnects its clients and stores everything"),
        _ = server.ended() => {}
    }
    let ended = server.shut_down(ReasonCode::ServerShuttingDown).await;
    if let Some(publishing) = publishing {
        publishing.abort();
    }
    tasks.join_all().await;
    ended.map_err(|error| Failure(format!("The broker cannot go on: {error}.")))
}

fn start(configuration: &Configuration) -> Result<Server, Failure> {
    let passwords = configuration
        .passwords
        .as_deref()
        .map(Passwords::read)
        .transpose()?;
    let rules = configuration
        .access
        .as_deref()
        .map(Rules::read)
        .transpose()?;
    let guard = Guard {
        passwords,
        anonymous: configuration.anonymous,
        rules,
    };
    let mut builder = Server::builder(guard)
        .config(configuration.broker())
        .observer(log::report);
    if let Some(path) = &configuration.store {
        let failed = |error| {
            Failure(format!(
                "The store {} cannot be used: {error}.",
                path.display()
            ))
        };
        builder = builder.store(RedbStore::open(path).map_err(failed)?);
    }
    let server = builder
        .start()
        .map_err(|error| match &configuration.store {
            Some(path) => Failure(format!(
                "The store {} cannot be used: {error}.",
                path.display()
            )),
            None => Failure(format!("The broker cannot start: {error}.")),
        })?;
    if configuration.store.is_some() {
        let it = server.look(|broker| broker.statistics());
        info!(
            sessions = it.sessions,
            retained = it.retained,
            "the store was read"
        );
    }
    Ok(server)
}
