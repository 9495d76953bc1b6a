//! The I/O shell of a server on tokio: one task, one machine and one timer for each connection.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::codec::bytes::{Buf, BufMut, BytesMut};
use mqtt5_session_fsm::{Cause, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::broker::{Broker, Peer};
use crate::stream::{self, Stream};

/// How many bytes may wait to be written. Until there is room again, nothing is read. Messages for
/// the Client wait in its Session meanwhile, which has limits of its own.
const BUFFER: usize = 1 << 16;

/// Serves until `stop` completes, then disconnects every Client. Needs a [`tokio::task::LocalSet`].
pub(crate) async fn serve(
    broker: Rc<Broker>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    // Packets are small, and answers are waited for.
                    let _ = stream.set_nodelay(true);
                    tasks.spawn_local(connection(broker.clone(), stream, client.to_string()));
                }
                // Too many open files, perhaps: try again.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = tasks.join_next() => {}
            () = &mut stop => break,
        }
    }
    for peer in broker.peers.borrow().values() {
        let mut server = peer.server.borrow_mut();
        // A Client that is away gets no DISCONNECT.
        let _ = server.disconnect(broker.now(), ReasonCode::ServerShuttingDown, &[]);
        // A server with persistent Sessions would export them here. Without a Session, a task ends.
        drop(server.take_session(broker.now()));
        peer.wake.notify_one();
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(Duration::from_secs(2), all).await;
}

/// Serves a Network Connection, and then keeps the Session until it ends or another connection
/// takes it over. So each machine has a task and a timer, also while the Client is away.
pub(crate) async fn connection(broker: Rc<Broker>, stream: impl Stream, client: String) {
    let peer = broker.new_peer();
    exchange(&broker, &peer, stream, &client).await;
    // A network error ends only the connection: the Session waits for its Client here.
    peer.server.borrow_mut().connection_lost(broker.now());
    loop {
        drain(&broker, &peer, &mut BytesMut::new());
        let deadline = match peer.server.borrow().session() {
            Some(session) if session.exists() => session.next_timeout(),
            _ => break,
        };
        tokio::select! {
            () = peer.wake.notified() => {}
            () = sleep(broker.now().until(deadline)) => {
                peer.server.borrow_mut().handle_timeout(broker.now());
            }
        }
    }
    let mut peers = broker.peers.borrow_mut();
    peers.retain(|_, other| !Rc::ptr_eq(other, &peer));
}

/// Reads and writes until the Network Connection is over.
async fn exchange(broker: &Broker, peer: &Rc<Peer>, stream: impl Stream, client: &str) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        // The machine is polled after each call.
        let said = drain(broker, peer, &mut output);
        if let Some(Output::Close(cause)) = said {
            if !matches!(cause, Cause::PeerDisconnected(_) | Cause::Disconnected(_)) {
                eprintln!("The connection of {client} is over: {cause}.");
            }
            stream::close(reader, writer, output).await;
            return;
        }
        // A Client that does not take the answers is not read.
        let ready = said.is_none();
        if ready {
            // Whole packets are taken off the front, up to one that yields an event. A part of a
            // packet stays for next time.
            let mut rest = &input[..];
            broker.receive(peer, &mut rest);
            let taken = input.len() - rest.len();
            input.advance(taken);
            if taken > 0 {
                continue;
            }
        }
        input.reserve(4096);
        let deadline = peer.server.borrow().next_timeout();
        let moved = async {
            tokio::select! {
                read = reader.read_buf(&mut input), if ready => Some(read),
                written = writer.write_buf(&mut output), if !output.is_empty() => Some(written),
                () = peer.wake.notified() => None,
            }
        };
        let moved = tokio::select! {
            // After this process has slept, arrived bytes are read before the timer is checked.
            biased;
            moved = moved => moved,
            // `Instant::NEVER` is too far away for tokio, which then waits as long as it can.
            () = sleep(broker.now().until(deadline)) => {
                peer.server.borrow_mut().handle_timeout(broker.now());
                continue;
            }
        };
        if !matches!(moved, None | Some(Ok(1..))) {
            return;
        }
    }
}

/// Polls the machine, and collects its packets. Returns the output that ends this: close the
/// connection, or write the buffer first.
fn drain(broker: &Broker, peer: &Peer, output: &mut BytesMut) -> Option<Output> {
    let mut large = 0;
    loop {
        let room = usize::max(BUFFER.saturating_sub(output.len()), mem::take(&mut large));
        let said = (peer.server.borrow_mut()).poll(broker.now(), &mut output.limit(room));
        match said? {
            Output::Event(event) => broker.happened(peer, event),
            // A packet that is larger than the whole buffer goes alone, all others wait their turn.
            Output::NeedsRoom(bytes) if output.is_empty() => large = bytes,
            // Only if `SessionConfig::persistent` is set: to be stored before the next poll.
            Output::Persist(_) => {}
            said => return Some(said),
        }
    }
}
