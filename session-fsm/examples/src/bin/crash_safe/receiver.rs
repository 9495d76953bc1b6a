//! A Server for one Client. It stores the result of each message with the change that notes the
//! message. This makes "exactly once" true from end to end.

use std::io;

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::{Event, Instant, Output, Server, ServerConfig, Session, SessionConfig};

use super::files::Files;
use super::publisher::NAME;
use super::store::{Application, Store, invalid};

/// The tasks that were carried out, in their order, as often as they were.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tasks: Vec<u64>,
}

impl Application for Ledger {
    fn apply(&mut self, fact: &[u8]) -> io::Result<()> {
        for task in fact.chunks(8) {
            let task: [u8; 8] = task.try_into().map_err(invalid)?;
            self.tasks.push(u64::from_be_bytes(task));
        }
        Ok(())
    }

    fn facts(&self) -> Vec<Vec<u8>> {
        vec![self.tasks.iter().flat_map(|it| it.to_be_bytes()).collect()]
    }
}

pub(crate) struct Receiver<F> {
    server: Option<Server>,
    /// While there is no Server that has it.
    session: Option<Session>,
    store: Store<F, Ledger>,
    config: SessionConfig,
    input: Vec<u8>,
    is_over: bool,
}

impl<F: Files> Receiver<F> {
    /// Goes on where the process before stopped.
    pub(crate) fn open(files: F, now: Instant, compact_at: u64) -> io::Result<Self> {
        let config = SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        };
        let (store, session) =
            Store::open(files, now, Session::of_server(NAME, config), compact_at)?;
        Ok(Receiver {
            server: None,
            session: Some(session),
            store,
            config,
            input: Vec::new(),
            is_over: true,
        })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.store.application
    }

    /// Whether the network connection is to be closed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        let server = self.server.as_ref();
        server.map_or(Instant::NEVER, Server::next_timeout)
    }

    /// A network connection was accepted; the one before it is over.
    pub(crate) fn connect(&mut self, now: Instant) {
        self.lost(now);
        self.is_over = false;
        let config = ServerConfig {
            session: self.config,
            ..ServerConfig::default()
        };
        self.server = Some(Server::new(now, config));
    }

    /// The network connection is gone.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.input.clear();
        self.is_over = true;
        if let Some(mut server) = self.server.take() {
            self.session = server.take_session(now).or(self.session.take());
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, bytes: &[u8]) -> io::Result<()> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(event) = server.receive(now, &mut rest) {
            match event {
                Event::Connect(connect) if connect.client_identifier.as_str() == NAME => {
                    server
                        .accept(now, self.session.take(), &[])
                        .map_err(invalid)?;
                }
                Event::Connect(_) => {
                    let code = ReasonCode::ClientIdentifierNotValid;
                    server.refuse(now, code, &[]).map_err(invalid)?;
                }
                // Carried out, and noted: it is one transaction with `Change::Received`, which
                // comes out of `poll`.
                Event::Message(delivered) => self.store.fact(delivered.publish.payload)?,
                _ => {}
            }
        }
        server.handle_timeout(now);
        self.input = rest.to_vec();
        Ok(())
    }

    /// Stores the changes, and only then returns the bytes for the network.
    pub(crate) fn flush(&mut self, now: Instant) -> io::Result<Vec<u8>> {
        let mut wire = Vec::new();
        loop {
            let output = match (&mut self.server, &mut self.session) {
                (Some(server), _) => server.poll(now, &mut wire),
                (None, Some(session)) => session.poll(),
                (None, None) => None,
            };
            match output {
                None => break,
                Some(Output::Persist(change)) => self.store.change(&change),
                Some(Output::Close(_)) => self.is_over = true,
                Some(Output::Event(_) | Output::NeedsRoom(_)) => {}
            }
        }
        let of_server = self.server.as_ref().and_then(Server::session);
        if let Some(session) = of_server.or(self.session.as_ref()) {
            self.store.commit(session)?;
        }
        Ok(wire)
    }
}
