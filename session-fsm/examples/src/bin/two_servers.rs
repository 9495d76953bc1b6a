//! Three clients of one process connect to two servers, of which the first is dead. The clients
//! share a circuit breaker for each server, so only the first client tries the dead server, and no
//! client waits for it.
//!
//! ```sh
//! cargo run --bin two_servers
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
use mqtt5_session_fsm::codec::{Connect, ReasonCode, Text};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, ReconnectPolicy, ReconnectSettings};
use mqtt5_session_fsm::{
    Cause, Client, ClientConfig, Event, Instant, Output, Server, ServerConfig, Session,
    SessionConfig,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long a server may take to accept the connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let dead = unused_address()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let live = listener.local_addr()?.to_string();
    // The task ends with this process.
    thread::spawn(move || serve(&listener));

    let visits = run(&[dead, live])?;
    println!("{} attempts for 3 connections.", visits.len());
    Ok(())
}

/// An address without a listener.
fn unused_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// What the clients of a process share.
struct Shared {
    start: std::time::Instant,
    /// By the server's address.
    breakers: BTreeMap<String, CircuitBreaker>,
}

impl Shared {
    /// A clock that does not go backwards, with any origin; all clients must share it.
    fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }
}

/// Connects three clients. Returns the attempts: client, server, and whether it worked.
fn run(servers: &[String]) -> Result<Vec<(&'static str, String, bool)>> {
    let settings = CircuitBreakerSettings {
        failures_to_open: 1,
        ..CircuitBreakerSettings::default()
    };
    let breaker = |server: &String| (server.clone(), CircuitBreaker::new(settings));
    let mut shared = Shared {
        start: std::time::Instant::now(),
        breakers: servers.iter().map(breaker).collect(),
    };
    let mut visits = Vec::new();
    for name in ["client-1", "client-2", "client-3"] {
        let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), servers)?;
        while let Some((server, works)) = attempt(&mut shared, &mut policy, name)? {
            visits.push((name, server, works));
            if works {
                break;
            }
        }
    }
    Ok(visits)
}

/// Makes the next attempt of one client. Returns the server, and whether it worked; `None` once the
/// policy has given up.
fn attempt(
    shared: &mut Shared,
    policy: &mut ReconnectPolicy,
    name: &str,
) -> Result<Option<(String, bool)>> {
    loop {
        // A server from a redirection has no breaker here, so it may be tried.
        let breakers = &shared.breakers;
        let Some(attempt) = policy.choose_attempt(|server| {
            let breaker = breakers.get(server.as_str());
            breaker.map_or(Instant::ORIGIN, CircuitBreaker::retry_at)
        }) else {
            return Ok(None);
        };
        let pause = shared.now().until(attempt.at);
        if !pause.is_zero() {
            println!("{name} waits for {} ms.", pause.as_millis());
            thread::sleep(pause);
        }
        let (server, now) = (attempt.server.as_str().to_owned(), shared.now());
        let breaker = shared.breakers.get_mut(&server);
        let Ok(pass) = breaker.map(|breaker| breaker.pass(now)).transpose() else {
            // Another client has tried it meanwhile.
            continue;
        };
        let outcome = visit(shared, name, &server);
        let (now, works) = (shared.now(), outcome.is_ok());
        if let (Some(breaker), Some(pass)) = (shared.breakers.get_mut(&server), pass) {
            if works {
                breaker.succeeded(now, pass);
            } else {
                breaker.failed(now, pass);
            }
        }
        match outcome {
            Ok(()) => {
                println!("{name} was accepted by {server}.");
                policy.connected(now);
            }
            Err((why, failure)) => {
                println!("{name} could not connect to {server}: {why}.");
                let _ = policy.failed(now, failure, random());
            }
        }
        return Ok(Some((server, works)));
    }
}

type Failure = (String, ConnectionFailure<'static>);

/// Connects, and disconnects at once.
fn visit(shared: &Shared, name: &str, server: &str) -> std::result::Result<(), Failure> {
    let session = Session::of_client(SessionConfig::default());
    let mut client = Client::new(ClientConfig::default(), session);
    let network = |error: io::Error| (error.to_string(), ConnectionFailure::Network);
    let address = server.to_socket_addrs().map_err(network)?.next();
    let address = address.ok_or_else(|| network(io::ErrorKind::AddrNotAvailable.into()))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(network)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(network)?;

    let connect = Connect {
        client_identifier: Text::new(name).unwrap_or_default(),
        clean_start: true,
        ..Connect::default()
    };
    let connected = client.connect(shared.now(), &connect);
    connected.map_err(|error| network(io::Error::other(error.to_string())))?;
    let mut input = Vec::new();
    loop {
        let mut output = Vec::new();
        while let Some(said) = client.poll(shared.now(), &mut output) {
            if let Output::Close(cause) = said {
                stream.write_all(&output).map_err(network)?;
                return match cause {
                    Cause::Disconnected(_) => Ok(()),
                    _ => Err((cause.to_string(), cause.into())),
                };
            }
        }
        stream.write_all(&output).map_err(network)?;
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).map_err(network)?;
        if length == 0 {
            return Err(network(io::ErrorKind::UnexpectedEof.into()));
        }
        input.extend_from_slice(&bytes[..length]);
        let mut rest = &input[..];
        let accepted = matches!(
            client.receive(shared.now(), &mut rest),
            Some(Event::Connected(_))
        );
        let taken = input.len() - rest.len();
        input.drain(..taken);
        if accepted {
            let normal = ReasonCode::NORMAL_DISCONNECTION;
            let _ = client.disconnect(shared.now(), normal, &[]);
        }
    }
}

/// A server that accepts every Client.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // An error means that the Client is gone.
        let _ = converse(stream);
    }
}

fn converse(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let start = std::time::Instant::now();
    let now = || Instant::ORIGIN + start.elapsed();
    let mut server = Server::new(now(), ServerConfig::default());
    let (mut input, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        input.extend_from_slice(&bytes[..length]);
        let mut rest = &input[..];
        loop {
            let event = server.receive(now(), &mut rest);
            let is_last = event.is_none();
            if matches!(event, Some(Event::Connect(_))) {
                let _ = server.accept(now(), None, &[]);
            }
            let mut output = Vec::new();
            let mut is_closed = false;
            while let Some(said) = server.poll(now(), &mut output) {
                is_closed |= matches!(said, Output::Close(_));
            }
            stream.write_all(&output)?;
            if is_closed {
                return Ok(());
            }
            if is_last {
                break;
            }
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
    }
}

/// The machines have no random source: the caller gives random numbers.
fn random() -> u32 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_client_tries_the_dead_server() {
        let dead = unused_address().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = listener.local_addr().unwrap().to_string();
        thread::spawn(move || serve(&listener));
        let visits = run(&[dead.clone(), live.clone()]).unwrap();
        let expected = [
            ("client-1", dead, false),
            ("client-1", live.clone(), true),
            ("client-2", live.clone(), true),
            ("client-3", live, true),
        ];
        assert_eq!(visits, expected);
    }
}
