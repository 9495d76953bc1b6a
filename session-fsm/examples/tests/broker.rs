//! The program `broker`, as a process: its listeners, its users, and that it may be killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mqtt5_tokio::fsm::reconnect::{GiveUp, ReconnectSettings};
use mqtt5_tokio::{
    Client, ClientBuilder, ConnectError, ConnectionState, Network, ProtocolVersion, PublishFailure,
    Qos, ReasonCode, RequestFailure, Scheme,
};
use rustls::pki_types::PrivateKeyDer;

/// A process that ends with its value.
struct Broker {
    child: Child,
    addresses: Vec<String>,
}

impl Broker {
    /// Starts it with as many listeners as there are addresses among the arguments.
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let listeners = arguments.iter().filter(|it| **it == "--listen").count();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addresses = (0..listeners).map(|_| {
            let line = lines.next().expect("it has ended").unwrap();
            let address = line.strip_prefix("The broker listens at ").expect(&line);
            address.trim_end_matches('.').to_owned()
        });
        let addresses = addresses.collect();
        Broker { child, addresses }
    }

    fn client(&self, name: &str) -> ClientBuilder {
        client(&self.addresses[0], name)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    command.args(arguments).args(["--log", "warn"]);
    command
}

fn client(address: &str, name: &str) -> ClientBuilder {
    Client::builder(address, name).reconnection(ReconnectSettings {
        initial_delay: Duration::from_millis(10),
        maximum_delay: Duration::from_millis(50),
        ..ReconnectSettings::default()
    })
}

/// A directory that goes with its value.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it takes too long")
}

const ANY: [&str; 2] = ["--listen", "mqtt://127.0.0.1:0"];

/// What was acknowledged is there after kill -9, again and again; what was not comes again from its client.
#[tokio::test]
async fn killed_under_load() {
    const COUNT: u32 = 300;
    let directory = directory();
    let store = directory.path().join("store");
    let store = store.to_str().unwrap();
    let mut broker = Broker::start(&[&ANY[..], &["--store", store]].concat());
    // The same port again and again.
    let address = broker.addresses[0].clone();
    let again = ["--listen", &address, "--store", store];
    let (subscriber, mut messages) = soon(client(&address, "subscriber").connect())
        .await
        .unwrap();
    soon(subscriber.subscribe("n", Qos::ExactlyOnce))
        .await
        .unwrap();
    let (publisher, _) = soon(client(&address, "publisher").connect()).await.unwrap();
    soon(publisher.publish("kept", "1", Qos::AtLeastOnce))
        .await
        .unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            publisher
                .publish("n", number.to_string(), Qos::ExactlyOnce)
                .await
                .unwrap();
        }
    });
    let mut seen = Vec::new();
    while seen.len() < COUNT as usize {
        let message = soon(messages.next()).await.unwrap();
        seen.push(message.text().unwrap().parse::<u32>().unwrap());
        if seen.len() % 60 == 30 {
            drop(broker);
            broker = Broker::start(&again);
        }
    }
    soon(sending).await.unwrap();
    assert!(seen.iter().copied().eq(0..COUNT), "{seen:?}");
}

#[tokio::test]
async fn users_and_their_topics() {
    let directory = directory();
    let mut hashing = command(&["--hash-password", "alice"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    hashing
        .stdin
        .take()
        .unwrap()
        .write_all(b"secret\n")
        .unwrap();
    let mut line = String::new();
    hashing
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut line)
        .unwrap();
    assert!(
        hashing.wait().unwrap().success() && line.starts_with("alice:$argon2id$"),
        "{line}"
    );
    let passwords = file(directory.path(), "passwords", &line);
    let access = file(
        directory.path(),
        "access",
        "topic read $SYS/#\nuser alice\ntopic readwrite garden/#\n",
    );
    let (passwords, access) = (passwords.to_str().unwrap(), access.to_str().unwrap());
    let broker =
        Broker::start(&[&ANY[..], &["--passwords", passwords, "--access", access]].concat());
    for version in [ProtocolVersion::V5_0, ProtocolVersion::V3_1_1] {
        let wrong = broker
            .client("wrong")
            .version(version)
            .login("alice", "public");
        let why = GiveUp::Refused(ReasonCode::BadUserNameOrPassword);
        assert_eq!(
            soon(wrong.connect()).await.unwrap_err(),
            ConnectError::GaveUp(why)
        );
        let nobody = broker.client("nobody").version(version);
        let why = GiveUp::Refused(ReasonCode::NotAuthorized);
        assert_eq!(
            soon(nobody.connect()).await.unwrap_err(),
            ConnectError::GaveUp(why)
        );
    }
    let (alice, mut messages) = soon(broker.client("a").login("alice", "secret").connect())
        .await
        .unwrap();
    soon(alice.subscribe("garden/#", Qos::AtLeastOnce))
        .await
        .unwrap();
    soon(alice.publish("garden/well", "full", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("full"));
    let refused = soon(alice.publish("house/door", "open", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(PublishFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
    let refused = soon(alice.publish("$SYS/broker/version", "mine", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(PublishFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
    let refused = soon(alice.subscribe("#", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(RequestFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
    soon(alice.subscribe("$SYS/#", Qos::AtLeastOnce))
        .await
        .unwrap();
    loop {
        let message = soon(messages.next()).await.unwrap();
        if message.topic() == "$SYS/broker/clients/connected" {
            assert!(message.text().unwrap().parse::<u32>().is_ok());
            break;
        }
    }
}

/// A certificate authority, and what it has signed for a name: certificate and key.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Authority {
            certificate,
            issuer: rcgen::Issuer::new(parameters, key),
        }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A client that trusts it, with a certificate of its own or without.
    fn client(
        &self,
        own: Option<(rcgen::Certificate, rcgen::KeyPair)>,
    ) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate.der().clone()], key)
                    .unwrap()
            }
        })
    }
}

#[tokio::test]
async fn tls_with_client_certificates_and_websocket() {
    let directory = directory();
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let certificate = file(directory.path(), "certificate", &certificate.pem());
    let key = file(directory.path(), "key", &key.serialize_pem());
    let ca = file(directory.path(), "authority", &authority.certificate.pem());
    let access = file(directory.path(), "access", "user robot\ntopic robots\n");
    let paths = [&certificate, &key, &ca, &access].map(|it| it.to_str().unwrap());
    let mut arguments = vec![
        "--certificate",
        paths[0],
        "--key",
        paths[1],
        "--client-authority",
        paths[2],
    ];
    arguments.extend(["--access", paths[3]]);
    for listener in [
        "mqtts://127.0.0.1:0",
        "wss://127.0.0.1:0",
        "ws://127.0.0.1:0",
    ] {
        arguments.extend(["--listen", listener]);
    }
    let broker = Broker::start(&arguments);
    let named = |address: &String| address.replace("127.0.0.1", "localhost");
    for address in broker.addresses[..2].iter().map(named) {
        let network =
            Network::new(Scheme::Mqtts).tls(authority.client(Some(authority.sign("robot"))));
        let (robot, mut messages) = soon(client(&address, "r").connector(network).connect())
            .await
            .unwrap();
        soon(robot.subscribe("robots", Qos::AtLeastOnce))
            .await
            .unwrap();
        soon(robot.publish("robots", "hello", Qos::AtLeastOnce))
            .await
            .unwrap();
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("hello"));
        soon(robot.disconnect()).await;
        // Without a certificate, nobody gets as far as a CONNECT.
        let network = Network::new(Scheme::Mqtts).tls(authority.client(None));
        let settings = ReconnectSettings {
            give_up_after: Some(2),
            ..ReconnectSettings::default()
        };
        let stranger = client(&address, "s")
            .connector(network)
            .reconnection(settings);
        let why = GiveUp::TooManyFailures(2);
        assert_eq!(
            soon(stranger.connect()).await.unwrap_err(),
            ConnectError::GaveUp(why)
        );
    }
    let (other, _messages) = soon(client(&broker.addresses[2], "o").connect())
        .await
        .unwrap();
    let refused = soon(other.publish("robots", "", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(PublishFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
}

#[test]
fn what_cannot_be_carried_out_is_said_in_a_sentence() {
    let directory = directory();
    let damaged = file(directory.path(), "damaged", "not a database");
    let damaged = damaged.to_str().unwrap();
    let wrong = file(directory.path(), "wrong", "[limits]\nsize = 3\n");
    for (arguments, expected) in [
        (
            &["--listen", "http://a"][..],
            "\"http://a\" is not an address",
        ),
        (
            &["--listen", "mqtts://127.0.0.1:0"],
            "needs a certificate and a key",
        ),
        (
            &["--listen", "mqtt://127.0.0.1:0", "--store", damaged],
            "cannot be used",
        ),
        (
            &["--passwords", "/nowhere", "--listen", "mqtt://127.0.0.1:0"],
            "cannot be read",
        ),
        (
            &["--access", damaged, "--listen", "mqtt://127.0.0.1:0"],
            "Line 1 of the access file",
        ),
        (
            &["--configuration", wrong.to_str().unwrap()],
            "unknown field `size`",
        ),
        (&["--hash-password", "a:b"], "has no colon"),
    ] {
        let output = command(arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(expected) && !said.contains("panicked"),
            "{arguments:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let printed = command(&["--print-configuration"]).output().unwrap();
    assert!(String::from_utf8_lossy(&printed.stdout).contains("#listen ="));
}

/// On SIGTERM the broker sends DISCONNECT with 0x8B. What it acknowledged is there after the next start.
#[cfg(unix)]
#[tokio::test]
async fn shuts_down_on_sigterm() {
    let directory = directory();
    let store = directory.path().join("store");
    let arguments = [&ANY[..], &["--store", store.to_str().unwrap()]].concat();
    let mut broker = Broker::start(&arguments);
    let settings = ReconnectSettings {
        give_up_after: Some(1),
        ..ReconnectSettings::default()
    };
    let (client, mut messages) = soon(broker.client("it").reconnection(settings).connect())
        .await
        .unwrap();
    soon(client.publish_retained("a", "kept", Qos::AtLeastOnce))
        .await
        .unwrap();
    let mut state = client.state();
    let id = broker.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(soon(messages.next()).await.is_none());
    let is_ended = |it: &ConnectionState| matches!(it, ConnectionState::Ended { .. });
    let ended = soon(state.wait_for(is_ended)).await.unwrap().clone();
    let why = ConnectError::GaveUp(GiveUp::TooManyFailures(1));
    assert_eq!(ended, ConnectionState::Ended { why });
    assert!(broker.child.wait().unwrap().success());

    let broker = Broker::start(&arguments);
    let (client, mut messages) = soon(broker.client("it").connect()).await.unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    let message = soon(messages.next()).await.unwrap();
    assert_eq!((message.text(), message.retain()), (Some("kept"), true));
}
