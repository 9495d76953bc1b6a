//! What every scenario works with.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use mqtt5_tokio::codec::ProtocolVersion;
use mqtt5_tokio::{Client, ClientBuilder, Messages, Publication, Qos, ReconnectSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::observers::{Heard, Notebook, Observer, Witness};
use super::process::BrokerProcess;
use super::{Options, Result};

/// What every scenario works with: the broker, observers, clients, and chance.
#[derive(Debug)]
pub struct Lab {
    /// The command line.
    pub options: Options,
    /// When the lab began: all times count from here.
    pub start: Instant,
    /// What chance follows from.
    pub seed: u64,
    program: PathBuf,
    /// The broker of most scenarios, unless it is another one.
    own: Option<BrokerProcess>,
    /// Where it listens.
    server: String,
    random: Mutex<fastrand::Rng>,
    directory: TempDir,
    progress: ProgressBar,
}

impl Lab {
    /// Opens the lab, with a broker of its own unless the options name another one. `program` is what is started as the broker:
    /// the lab itself.
    ///
    /// # Errors
    ///
    /// The broker cannot be started.
    pub async fn open(options: Options, program: PathBuf, progress: ProgressBar) -> Result<Self> {
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        let (own, server) = match &options.broker {
            Some(address) => {
                let address = address.strip_prefix("mqtt://").unwrap_or(address);
                (None, address.to_owned())
            }
            None => {
                let own = BrokerProcess::start(&program, None).await?;
                let server = own.address().to_string();
                (Some(own), server)
            }
        };
        Ok(Lab {
            options,
            start: Instant::now(),
            seed,
            program,
            own,
            server,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            directory: tempfile::tempdir()?,
            progress,
        })
    }

    /// The address of the broker, as `host:port`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The broker of the lab's own; `None` if it is another one.
    #[must_use]
    pub const fn own_broker(&self) -> Option<&BrokerProcess> {
        self.own.as_ref()
    }

    /// Starts another broker, in memory.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub async fn another_broker(&self) -> Result<BrokerProcess> {
        BrokerProcess::start(&self.program, None).await
    }

    /// Starts another broker, with a store of this name.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub async fn broker_with_store(&self, name: &str) -> Result<BrokerProcess> {
        BrokerProcess::start(&self.program, Some(&self.file(name))).await
    }

    /// A file that is gone when the lab is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program that runs the lab.
    #[must_use]
    pub const fn program(&self) -> &PathBuf {
        &self.program
    }

    /// Says what happens now, in the progress bar.
    pub fn step(&self, text: impl Into<String>) {
        self.progress.set_message(text.into());
    }

    /// A number below this one, which follows from the seed.
    #[must_use]
    pub fn random(&self, below: u64) -> u64 {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.u64(..below.max(1))
    }

    /// A ClientID that no other run uses. Short, because a server of MQTT 3.1.1 need not take more than 23 characters.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("lab{:04x}-{name}", self.seed & 0xFFFF)
    }

    /// A topic that no other run uses.
    #[must_use]
    pub fn topic(&self, path: &str) -> String {
        format!("lab/{:08x}/{path}", self.seed & 0xFFFF_FFFF)
    }

    /// Starts an observer in front of the broker.
    ///
    /// # Errors
    ///
    /// The system has no port.
    pub async fn observer(&self) -> Result<Observer> {
        Observer::before(&self.server, self.start).await
    }

    /// Starts an observer in front of another broker.
    ///
    /// # Errors
    ///
    /// The system has no port.
    pub async fn observer_of(&self, broker: &BrokerProcess) -> Result<Observer> {
        Observer::before(broker.address().to_string(), self.start).await
    }

    /// Begins with a client of MQTT 5 that connects here and tries again soon.
    pub fn client(&self, address: impl Into<String>, name: &str) -> ClientBuilder {
        Client::builder(address, self.name(name)).reconnection(ReconnectSettings {
            initial_delay: Duration::from_millis(20),
            maximum_delay: Duration::from_millis(200),
            ..ReconnectSettings::default()
        })
    }

    /// Starts a witness at the broker itself.
    ///
    /// # Errors
    ///
    /// The broker refuses it.
    pub async fn witness(&self, name: &str, filter: &str, qos: Qos) -> Result<Witness> {
        self.witness_at(&self.server, name, filter, qos).await
    }

    /// Starts a witness at another broker.
    ///
    /// # Errors
    ///
    /// The broker refuses it.
    pub async fn witness_at(
        &self,
        server: &str,
        name: &str,
        filter: &str,
        qos: Qos,
    ) -> Result<Witness> {
        let name = self.name(name);
        Witness::subscribe(
            server,
            self.start,
            ProtocolVersion::V5_0,
            &name,
            filter,
            qos,
        )
        .await
    }

    /// Takes all messages of a client, and writes them down.
    #[must_use]
    pub fn listen(&self, mut messages: Messages) -> Listener {
        let notebook = Notebook::default();
        let (pages, start) = (notebook.clone(), self.start);
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let mut heard = Heard::new(start.elapsed(), message.topic(), &message.publish());
                heard.qos = message.qos();
                pages.write(heard);
            }
        });
        Listener { task, notebook }
    }
}

/// An application that takes all messages of a client and writes them down.
#[derive(Debug)]
pub struct Listener {
    task: JoinHandle<()>,
    notebook: Notebook,
}

impl Listener {
    /// What it has written down.
    #[must_use]
    pub const fn notebook(&self) -> &Notebook {
        &self.notebook
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A message whose payload begins with its number.
///
/// # Errors
///
/// The topic is none.
pub fn numbered(topic: &str, number: u64, qos: Qos) -> Result<Publication> {
    let payload = format!("{number} of the lab");
    Ok(Publication::of(topic, payload.as_bytes(), qos)?)
}

/// Waits until something is so, at most for this time. Returns whether it is. For what cannot be waited for in another way.
pub async fn wait_until(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    while !is_so() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}
