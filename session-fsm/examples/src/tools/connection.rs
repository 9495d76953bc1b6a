//! The connection of a program, and how long it waits for one.

use std::future::Future;
use std::io;
use std::time::Duration;

use mqtt5_tokio::{
    BoxedFuture, BoxedStream, Client, ClientBuilder, ConnectionState, Connector, Messages, Network,
    ReasonCode,
};
use tokio::sync::watch;

use super::{ConnectionOptions, Failure, interrupted, note};

/// How long the DISCONNECT may take to leave.
const LAST_PACKET: Duration = Duration::from_secs(3);

/// The [`Connector`] whose errors name the server.
pub(super) struct Named(pub(super) Network);

impl Connector for Named {
    fn open<'a>(&'a self, server: &'a str) -> BoxedFuture<'a, io::Result<BoxedStream>> {
        Box::pin(async move {
            let opened = self.0.open(server).await;
            opened.map_err(|error| io::Error::new(error.kind(), format!("{server}: {error}")))
        })
    }
}

/// A client that has been connected.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    watcher: Watcher,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// There is no connection in time, the server refuses the client, or the user does not want to wait.
    pub async fn open(
        options: &ConnectionOptions,
        builder: ClientBuilder,
    ) -> Result<(Connection, Messages), Failure> {
        let (client, messages) = builder.start().await?;
        let mut watcher = Watcher::new(&client, options);
        tokio::select! {
            settled = watcher.connected(options.first_limit()) => settled?,
            () = interrupted() => return Err(Failure::Interrupted),
        }
        Ok((Connection { client, watcher }, messages))
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Does the work of the program, then disconnects. The work ends early if the client ends, if a lost connection does
    /// not come back in time, or if the user interrupts the program.
    ///
    /// # Errors
    ///
    /// Those of the work, and the reasons why it ended early.
    pub async fn run<T>(
        mut self,
        options: &ConnectionOptions,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let result = tokio::select! {
            // Work fails because the client has ended, but does not know why.
            biased;
            failure = self.watcher.failure(options.later_limit()) => Err(failure),
            () = interrupted() => Err(Failure::Interrupted),
            result = work => result,
        };
        let _ = tokio::time::timeout(LAST_PACKET, self.client.disconnect()).await;
        result
    }
}

/// Looks at the state of a client.
#[derive(Debug)]
struct Watcher {
    state: watch::Receiver<ConnectionState>,
    servers: String,
    verbose: bool,
}

impl Watcher {
    fn new(client: &Client, options: &ConnectionOptions) -> Self {
        Watcher {
            state: client.state(),
            servers: options.named_servers(),
            verbose: options.verbose,
        }
    }

    /// Waits until there is a connection.
    async fn connected(&mut self, limit: Option<Duration>) -> Result<(), Failure> {
        let mut last = String::new();
        let Some(limit) = limit else {
            return self.settled(None, &mut last).await;
        };
        let settled = self.settled(Some(limit), &mut last);
        if let Ok(settled) = tokio::time::timeout(limit, settled).await {
            return settled;
        }
        let seconds = limit.as_secs_f64();
        let servers = &self.servers;
        Err(Failure::NoConnection(match last.as_str() {
            "" => format!("There was no connection to {servers} within {seconds} s."),
            last => {
                format!(
                    "There was no connection to {servers} within {seconds} s. The last failure was: {last}."
                )
            }
        }))
    }

    /// Waits for a connection, or the end of the client. `last` is why there is no connection.
    async fn settled(&mut self, limit: Option<Duration>, last: &mut String) -> Result<(), Failure> {
        let wrong_version = ReasonCode::UnsupportedProtocolVersion.to_string();
        loop {
            match &*self.state.borrow_and_update() {
                ConnectionState::Connected { server, .. } => {
                    if self.verbose {
                        note(format_args!("Connected to {server}."));
                    }
                    return Ok(());
                }
                ConnectionState::Ended { why } => return Err(why.clone().into()),
                // The other version is offered at once.
                ConnectionState::Connecting { why } if why.contains(&wrong_version) => {}
                ConnectionState::Connecting { why } if !why.is_empty() => {
                    // Once is enough.
                    if last.is_empty() || (self.verbose && last != why) {
                        note(retry(why, limit));
                    }
                    last.clone_from(why);
                }
                _ => {}
            }
            if self.state.changed().await.is_err() {
                return Err(Failure::Local("The client has ended.".to_owned()));
            }
        }
    }

    /// Returns when the client is of no use any more.
    async fn failure(&mut self, limit: Option<Duration>) -> Failure {
        loop {
            let is_lost =
                |state: &ConnectionState| !matches!(state, ConnectionState::Connected { .. });
            if self.state.wait_for(is_lost).await.is_err() {
                return Failure::Local("The client has ended.".to_owned());
            }
            if let Err(failure) = self.connected(limit).await {
                return failure;
            }
        }
    }
}

fn retry(why: &str, limit: Option<Duration>) -> String {
    match limit {
        Some(limit) => {
            let seconds = limit.as_secs_f64();
            format!("There is no connection: {why}. The program tries again for up to {seconds} s.")
        }
        None => format!("There is no connection: {why}. The program tries again."),
    }
}
