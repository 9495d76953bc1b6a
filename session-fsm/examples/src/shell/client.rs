//! The I/O shell of a client on tokio: one machine and one timer, for one connection at a time.

use std::{io, mem};

use mqtt5_session_fsm::codec::ProtocolVersion;
use mqtt5_session_fsm::codec::bytes::{Buf, BufMut, BytesMut};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, ReconnectPolicy, Reconnection};
use mqtt5_session_fsm::{
    Cause, Client, ClientConfig, Event, Instant, Output, Session, SessionConfig,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::load::{Load, Result, random};
use crate::stream::{self, Stream};

/// How many bytes may wait to be written. Until there is room again, nothing is read or published.
/// If both sides did this, both could wait for ever, so `Load` limits its unconfirmed messages.
const BUFFER: usize = 1 << 16;

/// How many messages may be in flight. A server cannot tell a client of MQTT 3.1.1 how many it takes.
/// mosquitto takes 20; it acknowledges further ones and throws them away.
const IN_FLIGHT: u16 = 20;

/// Runs `load` over as many Network Connections as it takes.
pub(crate) async fn run<S: Stream>(
    policy: ReconnectPolicy,
    load: &mut Load,
    open: impl AsyncFn(&str) -> io::Result<S>,
) -> Result<()> {
    let session = Session::of_client(SessionConfig {
        in_flight: IN_FLIGHT,
        ..SessionConfig::default()
    });
    let mut shell = Shell {
        client: Client::new(ClientConfig::default(), session),
        policy,
        load,
        start: tokio::time::Instant::now(),
    };
    while !shell.load.is_done() {
        let attempt = shell.policy.next_attempt().ok_or("it gave up")?;
        if shell.now() < attempt.at {
            // The Session and its messages expire without a connection, too.
            let deadline = attempt.at.min(shell.client.next_timeout());
            sleep(shell.now().until(deadline)).await;
            shell.client.handle_timeout(shell.now());
            shell.drain(&mut BytesMut::new())?;
            continue;
        }
        let (server, version) = (attempt.server.as_str().to_owned(), attempt.version);
        let failure = match open(&server).await {
            Ok(stream) => shell.exchange(stream, version).await?,
            Err(error) => {
                eprintln!("There is no connection to {server}: {error}.");
                ConnectionFailure::Network
            }
        };
        // Whatever the reason, the Session goes on with the next connection.
        shell.client.connection_lost(shell.now());
        shell.drain(&mut BytesMut::new())?;
        if let Reconnection::GiveUp(why) = shell.policy.failed(shell.now(), failure, random()) {
            return Err(why.to_string().into());
        }
    }
    Ok(())
}

struct Shell<'a> {
    client: Client,
    policy: ReconnectPolicy,
    load: &'a mut Load,
    start: tokio::time::Instant,
}

impl Shell<'_> {
    /// A clock that does not go backwards, with any origin. Tests can pause this one.
    fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }

    /// Reads and writes until the Network Connection is over. Returns the reason.
    async fn exchange(
        &mut self,
        stream: impl Stream,
        version: ProtocolVersion,
    ) -> Result<ConnectionFailure<'static>> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        // Nothing of the last connection may be left in them.
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        self.load.connect(self.now(), &mut self.client, version)?;
        loop {
            // The machine is polled after each call.
            let said = self.drain(&mut output)?;
            if let Some(Output::Close(cause)) = said {
                if !matches!(cause, Cause::Disconnected(_)) {
                    eprintln!("The connection is over: {cause}.");
                }
                stream::close(reader, writer, output).await;
                return Ok(cause.into());
            }
            // While the network is slow, nothing is read: each packet may want an answer.
            let ready = said.is_none();
            if ready {
                // Up to a packet that yields an event. A part of a packet stays for next time.
                let (now, mut rest) = (self.now(), &input[..]);
                if let Some(event) = self.client.receive(now, &mut rest) {
                    if matches!(event, Event::Connected(_)) {
                        self.policy.connected(now);
                    }
                    self.load.happened(event);
                }
                let taken = input.len() - rest.len();
                input.advance(taken);
                if taken > 0 {
                    continue;
                }
            }
            input.reserve(4096);
            let moved = async {
                tokio::select! {
                    read = reader.read_buf(&mut input), if ready => read,
                    written = writer.write_buf(&mut output), if !output.is_empty() => written,
                    else => std::future::pending().await,
                }
            };
            let moved = tokio::select! {
                // After this process has slept, arrived bytes are read before the timer is checked.
                biased;
                moved = moved => moved,
                // `Instant::NEVER` is too far away for tokio, which then waits as long as it can.
                () = sleep(self.now().until(self.client.next_timeout())) => {
                    self.client.handle_timeout(self.now());
                    continue;
                }
            };
            if !matches!(moved, Ok(1..)) {
                return Ok(ConnectionFailure::Network);
            }
        }
    }

    /// Polls the machine, collects its packets, and lets `load` work. Returns why it stopped early.
    fn drain(&mut self, output: &mut BytesMut) -> Result<Option<Output>> {
        let mut large = 0;
        loop {
            let room = usize::max(BUFFER.saturating_sub(output.len()), mem::take(&mut large));
            match self.client.poll(self.now(), &mut output.limit(room)) {
                Some(Output::Event(event)) => self.load.happened(event),
                // A packet that is larger than the buffer goes alone.
                Some(Output::NeedsRoom(bytes)) if output.is_empty() => large = bytes,
                // Only if `SessionConfig::persistent` is set: to be stored before the next poll.
                Some(Output::Persist(_)) => {}
                Some(said) => return Ok(Some(said)),
                // Each new call is followed by a new round.
                None if self.load.work(self.now(), &mut self.client)? => {}
                None => return Ok(None),
            }
        }
    }
}
