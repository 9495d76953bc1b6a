//! A server that remembers what its clients say, and the programs as processes.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt5_examples::tools::Failure;
use mqtt5_tokio::codec::{Publish, Subscription, SubscriptionOptions};
use mqtt5_tokio::fsm::broker::{BrokerConfig, Grant, Permission};
use mqtt5_tokio::fsm::{Limits, ProtocolVersions, StoredLimits, WaitingLimits};
use mqtt5_tokio::{
    Access, Admitted, BoxedFuture, Client, Identity, Login, LoginAnswer, Messages, ProtocolVersion,
    Qos, ReasonCode, Server, ServerBuilder,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

pub const PUBLISH: &str = env!("CARGO_BIN_EXE_publish");
pub const SUBSCRIBE: &str = env!("CARGO_BIN_EXE_subscribe");
pub const REQUEST: &str = env!("CARGO_BIN_EXE_request");
pub const RESPOND: &str = env!("CARGO_BIN_EXE_respond");

/// What a client has said in its CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub version: ProtocolVersion,
    pub id: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub keep_alive: u16,
    pub clean: bool,
    pub expiry: Option<u32>,
    pub properties: Vec<(String, String)>,
    pub will: Option<SaidWill>,
    /// The name in its certificate.
    pub peer: Option<String>,
}

/// A Will in a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidWill {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    pub retain: bool,
    pub delay: Option<u32>,
}

#[derive(Default)]
pub struct Seen {
    pub said: Vec<Said>,
    pub subscriptions: Vec<(String, SubscriptionOptions)>,
}

/// Refuses the Password "wrong" and the topics below "forbidden". Topics below "poor" are granted QoS 0.
#[derive(Clone, Default)]
pub struct Doorkeeper(pub Arc<Mutex<Seen>>);

impl Access for Doorkeeper {
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer> {
        let said = said(&login);
        let answer = match said.password.as_deref() {
            Some(b"wrong") => LoginAnswer::Refuse(ReasonCode::BadUserNameOrPassword),
            _ => LoginAnswer::Accept(Admitted::as_principal("anybody")),
        };
        self.0.lock().unwrap().said.push(said);
        Box::pin(async { answer })
    }

    fn may_publish(&self, _: &Identity, publish: &Publish<'_>) -> Permission {
        match publish.topic {
            Some(topic) if topic.as_str().starts_with("forbidden") => {
                Permission::Refuse(ReasonCode::NotAuthorized)
            }
            _ => Permission::Publish,
        }
    }

    fn may_subscribe(&self, _: &Identity, subscription: &Subscription<'_>) -> Grant {
        let filter = subscription.filter.as_str();
        let seen = (filter.to_owned(), subscription.options);
        self.0.lock().unwrap().subscriptions.push(seen);
        match filter {
            _ if filter.starts_with("forbidden") => Grant::Refuse(ReasonCode::NotAuthorized),
            _ if filter.starts_with("poor") => Grant::UpTo(Qos::AtMostOnce),
            _ => Grant::UpTo(Qos::ExactlyOnce),
        }
    }
}

fn said(login: &Login<'_>) -> Said {
    let connect = login.connect;
    let pairs = connect.properties.user_properties();
    let will = connect.will.map(|will| SaidWill {
        topic: will.topic.as_str().to_owned(),
        payload: will.payload.as_bytes().to_vec(),
        qos: will.qos,
        retain: will.retain,
        delay: will.properties.will_delay_interval(),
    });
    Said {
        version: connect.version,
        id: connect.client_identifier.as_str().to_owned(),
        user: connect.user_name.map(|it| it.as_str().to_owned()),
        password: connect.password.map(|it| it.as_bytes().to_vec()),
        keep_alive: connect.keep_alive,
        clean: connect.clean_start,
        expiry: connect.properties.session_expiry_interval(),
        properties: pairs
            .map(|pair| {
                (
                    pair.name.as_str().to_owned(),
                    pair.value.as_str().to_owned(),
                )
            })
            .collect(),
        will,
        peer: login.peer.name.clone(),
    }
}

/// A server that listens on loopback.
pub struct House {
    pub server: Server,
    pub address: String,
    pub seen: Arc<Mutex<Seen>>,
}

impl House {
    pub async fn open() -> Self {
        House::of(ProtocolVersions::ALL).await
    }

    /// A server of these versions.
    pub async fn of(versions: ProtocolVersions) -> Self {
        let mut config = config();
        config.server.versions = versions;
        House::with(config).await
    }

    pub async fn with(config: BrokerConfig) -> Self {
        let access = Doorkeeper::default();
        let seen = access.0.clone();
        let server = Server::builder(access).config(config).start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let listening = server.clone();
        tokio::spawn(async move { listening.listen(listener).await });
        House {
            server,
            address,
            seen,
        }
    }

    pub fn last_said(&self) -> Said {
        self.seen.lock().unwrap().said.last().cloned().unwrap()
    }

    /// A client in this process that has subscribed to everything.
    pub async fn witness(&self) -> (Client, Messages) {
        let start = Client::builder(self.address.as_str(), "witness").messages(20_000);
        let (client, messages) = soon(start.connect()).await.unwrap();
        let subscribed = soon(client.subscribe("#", Qos::ExactlyOnce)).await;
        subscribed.unwrap();
        (client, messages)
    }

    /// Runs a program to its end.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        self.run_with(program, arguments, b"").await
    }

    pub async fn run_with(&self, program: &str, arguments: &[&str], input: &[u8]) -> Ran {
        let mut all = vec!["--server", self.address.as_str()];
        all.extend_from_slice(arguments);
        run(program, &all, input).await
    }

    /// Starts a program, and waits until it has said this.
    pub async fn start(&self, program: &str, arguments: &[&str], until: &str) -> Running {
        let mut all = vec!["--server", self.address.as_str(), "--verbose"];
        all.extend_from_slice(arguments);
        let mut running = Running::start(program, &all);
        drop(running.child.stdin.take());
        running.says(until).await;
        running
    }
}

/// Large packets, and many messages.
pub fn config() -> BrokerConfig {
    let mut config = ServerBuilder::default_config();
    config.server.limits = Limits {
        maximum_packet_size: 20 << 20,
        ..config.server.limits
    };
    config.server.session.stored = StoredLimits {
        messages: 50_000,
        bytes: 1 << 27,
    };
    config.server.session.waiting = WaitingLimits {
        messages: 20_000,
        bytes: 1 << 26,
        ..config.server.session.waiting
    };
    config
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    /// Checks the status, and what standard error says.
    #[track_caller]
    pub fn ended(self, status: i32, says: &str) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.err);
        assert!(self.err.contains(says), "{says:?} is not in {:?}", self.err);
        self
    }

    /// Checks that all went well, without a word.
    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""));
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
}

/// A program that runs.
pub struct Running {
    pub child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    said: Vec<String>,
}

impl Running {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = err.next_line().await {
                let _ = sender.send(line);
            }
        });
        Running {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits until it says this.
    pub async fn says(&mut self, text: &str) {
        while let Some(line) = soon(self.lines.recv()).await {
            let is_it = line.contains(text);
            self.said.push(line);
            if is_it {
                return;
            }
        }
        panic!("it said {:?}, not {text:?}", self.said);
    }

    /// Sends a signal.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ran {
        let output = soon(self.child.wait_with_output()).await.unwrap();
        while let Some(line) = soon(self.lines.recv()).await {
            self.said.push(line);
        }
        Ran {
            status: output.status.code(),
            out: output.stdout,
            err: self.said.join("\n"),
        }
    }
}

pub async fn run(program: &str, arguments: &[&str], input: &[u8]) -> Ran {
    let mut running = Running::start(program, arguments);
    let mut stdin = running.child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program need not read it.
    tokio::spawn(async move { stdin.write_all(&input).await });
    running.end().await
}

/// Fails if it takes too long: nothing here has to wait.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it takes too long")
}

/// An address without a listener.
pub fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The statuses that the help names are those of the library.
#[test]
fn the_help_names_each_status() {
    let text = String::new;
    for failure in [
        Failure::Local(text()),
        Failure::NoConnection(text()),
        Failure::Refused(text()),
        Failure::TimedOut(text()),
        Failure::Interrupted,
    ] {
        let line = format!("\n  {}  ", failure.status());
        assert!(mqtt5_examples::tools::STATUS_HELP.contains(&line));
    }
}
