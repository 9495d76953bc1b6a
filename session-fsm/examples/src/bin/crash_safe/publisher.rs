//! A Client that publishes tasks with QoS 2. It stores with the changes of its Session which tasks
//! were published, by which token, and which are done.

use std::collections::BTreeMap;
use std::io;

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Qos, ReasonCode, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, Session, SessionConfig,
};

use super::files::Files;
use super::store::{Application, Store, invalid};

pub(crate) const NAME: &str = "publisher";
/// Tasks that are under way at a time.
const AT_A_TIME: usize = 8;

/// The tasks: numbers from 0 on.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) next: u64,
    /// By the tokens of their messages.
    pub(crate) under_way: BTreeMap<u64, u64>,
    /// How often the outcome of each task came.
    pub(crate) done: BTreeMap<u64, u64>,
}

impl Application for Tasks {
    fn apply(&mut self, fact: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(fact).map_err(invalid)?;
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().map_err(invalid);
        match words[..] {
            ["published", task, token] => {
                self.next = self.next.max(number(task)? + 1);
                self.under_way.insert(number(token)?, number(task)?);
            }
            ["done", task, token] => {
                self.under_way.remove(&number(token)?);
                *self.done.entry(number(task)?).or_default() += 1;
            }
            ["done-before", task, times] => {
                self.next = self.next.max(number(task)? + 1);
                self.done.insert(number(task)?, number(times)?);
            }
            _ => return Err(invalid(format!("an unknown fact: {text}"))),
        }
        Ok(())
    }

    fn facts(&self) -> Vec<Vec<u8>> {
        let done = self.done.iter();
        let done = done.map(|(task, times)| format!("done-before {task} {times}"));
        let under_way = self.under_way.iter();
        let under_way = under_way.map(|(token, task)| format!("published {task} {token}"));
        done.chain(under_way).map(String::into_bytes).collect()
    }
}

pub(crate) struct Publisher<F> {
    client: Client,
    store: Store<F, Tasks>,
    tasks: u64,
    input: Vec<u8>,
    is_over: bool,
}

impl<F: Files> Publisher<F> {
    /// Goes on where the process before stopped.
    pub(crate) fn open(files: F, now: Instant, compact_at: u64, tasks: u64) -> io::Result<Self> {
        let config = SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        };
        let (store, session) = Store::open(files, now, Session::of_client(config), compact_at)?;
        Ok(Publisher {
            client: Client::new(ClientConfig::default(), session),
            store,
            tasks,
            input: Vec::new(),
            is_over: true,
        })
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.store.application
    }

    pub(crate) fn is_done(&self) -> bool {
        self.tasks().done.len() as u64 == self.tasks
    }

    /// Whether the network connection is to be closed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        self.client.next_timeout()
    }

    /// The network connection was made.
    pub(crate) fn connect(&mut self, now: Instant) -> io::Result<()> {
        self.input.clear();
        self.is_over = false;
        // The Session outlives the connection, and the process.
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            client_identifier: Text::new(NAME).map_err(invalid)?,
            properties: Properties::new(&list).map_err(invalid)?,
            keep_alive: 30,
            ..Connect::default()
        };
        self.client.connect(now, &connect).map_err(invalid)
    }

    pub(crate) fn disconnect(&mut self, now: Instant) {
        let _ = self
            .client
            .disconnect(now, ReasonCode::NORMAL_DISCONNECTION, &[]);
    }

    /// The network connection is gone.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.input.clear();
        self.is_over = true;
        self.client.connection_lost(now);
    }

    pub(crate) fn receive(&mut self, now: Instant, bytes: &[u8]) -> io::Result<()> {
        self.client.handle_timeout(now);
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(event) = self.client.receive(now, &mut rest) {
            note(&mut self.store, &event)?;
        }
        self.input = rest.to_vec();
        Ok(())
    }

    /// Publishes tasks, as long as there is room.
    fn work(&mut self, now: Instant) -> io::Result<()> {
        while self.tasks().next < self.tasks && self.tasks().under_way.len() < AT_A_TIME {
            let task = self.tasks().next;
            let publication = Publication::of("tasks", &task.to_be_bytes(), Qos::ExactlyOnce);
            match self.client.publish(now, publication.map_err(invalid)?) {
                // The task and its message are stored together, and so is its end.
                Ok(token) => {
                    let fact = format!("published {task} {}", token.number());
                    self.store.fact(fact.as_bytes())?;
                }
                // It is published when there is room.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Polls the machine, stores the changes, and only then returns the bytes for the network.
    pub(crate) fn flush(&mut self, now: Instant) -> io::Result<Vec<u8>> {
        self.work(now)?;
        let mut wire = Vec::new();
        while let Some(output) = self.client.poll(now, &mut wire) {
            match output {
                Output::Persist(change) => self.store.change(&change),
                Output::Event(event) => note(&mut self.store, &event)?,
                Output::Close(_) => self.is_over = true,
                Output::NeedsRoom(_) => {}
            }
        }
        self.store.commit(self.client.session())?;
        Ok(wire)
    }
}

fn note<F: Files>(store: &mut Store<F, Tasks>, event: &Event<'_>) -> io::Result<()> {
    if let Event::Outcome(token, outcome) = event {
        let token = token.number();
        let task = store.application.under_way.get(&token).copied();
        let task =
            task.ok_or_else(|| invalid(format!("an outcome without a task: {outcome:?}")))?;
        if !outcome.is_success() {
            eprintln!("Task {task} ended as {outcome:?}.");
        }
        store.fact(format!("done {task} {token}").as_bytes())?;
    }
    Ok(())
}
