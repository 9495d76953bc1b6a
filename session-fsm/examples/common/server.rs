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

/// So many bytes may wait to be written; before there is room again, nothing is read. What others publish
/// to the Client meanwhile waits in its Session, which has limits of its own.
const BUFFER: usize = 1 << 16;

/// Serves until `stop` completes, then says good-bye to everyone. Needs a [`tokio::task::LocalSet`].
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
                // Too many open files, perhaps: that passes.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = tasks.join_next() => {}
            () = &mut stop => break,
        }
    }
    for peer in broker.peers.borrow().values() {
        let mut server = peer.server.borrow_mut();
        // Who is away does not hear it.
        let _ = server.disconnect(broker.now(), ReasonCode::ServerShuttingDown, &[]);
        // Here a server whose Sessions survive it would export them. Without one, a task ends.
        drop(server.take_session(broker.now()));
        peer.wake.notify_one();
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(Duration::from_secs(2), all).await;
}

/// A Network Connection, and after it the Session, until it ends or goes on in another connection. So
/// each machine has a task that obeys it and keeps its time, also while the Client is away.
pub(crate) async fn connection(broker: Rc<Broker>, stream: impl Stream, client: String) {
    let peer = broker.new_peer();
    exchange(&broker, &peer, stream, &client).await;
    // An error of the network is no error of ours: the Session may wait for its Client here.
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
        // The machine has its say after each call.
        let said = drain(broker, peer, &mut output);
        if let Some(Output::Close(cause)) = said {
            if !matches!(cause, Cause::PeerDisconnected(_) | Cause::Disconnected(_)) {
                eprintln!("The connection of {client} is over: {cause}.");
            }
            stream::close(reader, writer, output).await;
            return;
        }
        // Who does not take the answers may not ask more questions.
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
            // After this process has slept: what came meanwhile is read before the timer is asked.
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

/// Does what the machine says, and collects what it writes. Returns what ends this: the connection is to
/// be closed, or the buffer is to be written first.
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
