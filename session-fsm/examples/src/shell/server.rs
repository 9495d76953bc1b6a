//! The I/O shell of a server on tokio: a task for each connection, one for time and work, and one
//! for the store, if there is one.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mqtt5_session_fsm::Cause;
use mqtt5_session_fsm::broker::{ConnectionKey, Gone, Next};
use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::codec::bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::broker::Host;
use crate::store::Store;
use crate::stream::{self, Stream};

/// How many bytes may wait to be written. Until there is room again, nothing is read. Messages for
/// the Client wait in its Session meanwhile, which has limits of its own.
const BUFFER: usize = 1 << 16;

/// Serves until `stop` completes, then disconnects every Client. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// The store cannot write: nothing that depends on it has left.
pub(crate) async fn serve(
    host: Rc<Host>,
    store: Option<Store>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // They do not end by themselves, unless the store fails.
    let mut others = JoinSet::new();
    others.spawn_local(keep_time(host.clone()));
    if let Some(store) = store {
        others.spawn_local(store.run(host.clone()));
    }
    let serving = async {
        let mut tasks = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => {
                        // Packets are small, and answers are waited for.
                        let _ = stream.set_nodelay(true);
                        tasks.spawn_local(connection(host.clone(), stream, client.to_string()));
                    }
                    // Too many open files, perhaps: try again.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                },
                Some(_) = tasks.join_next() => {}
                () = &mut stop => break,
            }
        }
        host.call(|broker, now| broker.drain(now, ReasonCode::ServerShuttingDown, None));
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(2), all).await;
        // The connections that have not ended are lost.
        tasks.abort_all();
        let last = host.look(|broker| broker.last_record());
        let _ = host
            .stored
            .subscribe()
            .wait_for(|stored| *stored >= last)
            .await;
    };
    tokio::select! {
        () = serving => Ok(()),
        Some(ended) = others.join_next() => ended?,
    }
}

/// Does what is due, and what takes long, a slice at a time.
pub(crate) async fn keep_time(host: Rc<Host>) -> io::Result<()> {
    loop {
        let wakes_at = host.look(|broker| broker.next_timeout());
        host.wakes_at.set(wakes_at);
        tokio::select! {
            () = host.work.notified() => {}
            // `Instant::NEVER` is too far away for tokio, which then waits as long as it can.
            () = sleep(host.now().until(wakes_at)) => {}
        }
        // The others have their turn.
        yield_now().await;
        host.handle_timeout();
    }
}

/// Serves a Network Connection.
pub(crate) async fn connection(host: Rc<Host>, stream: impl Stream, client: String) {
    // If there are too many, it is closed.
    let Ok((key, wake)) = host.connected() else {
        return;
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut output = Output::default();
    let exchange = exchange(&host, key, &wake, &mut reader, &mut writer, &mut output);
    let cause = exchange.await;
    host.ended(key);
    // A network error ends only the connection: the Session waits for its Client in the broker.
    let Some(cause) = cause else { return };
    if !matches!(cause, Cause::PeerDisconnected(_) | Cause::Disconnected(_)) {
        eprintln!("The connection of {client} is over: {cause}.");
    }
    let last = output.held.back().map_or(0, |&(record, _)| record);
    let mut stored = host.stored.subscribe();
    if stored.wait_for(|stored| *stored >= last).await.is_ok() {
        stream::close(reader, writer, output.bytes).await;
    }
}

/// Reads and writes until the Network Connection is over. Returns why the broker closed it; `None`
/// if the network did.
async fn exchange(
    host: &Host,
    key: ConnectionKey,
    wake: &Notify,
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut Output,
) -> Option<Cause> {
    let mut stored = host.stored.subscribe();
    let mut input = BytesMut::new();
    loop {
        let next = output.fill(host, key).ok()?;
        if let Next::Close(cause) = next {
            return Some(cause);
        }
        output.release(*stored.borrow_and_update());
        // A Client that does not take the answers is not read.
        let mut reads = next == Next::Nothing;
        if reads {
            // Whole packets are taken off the front. A part of a packet stays for next time.
            let mut rest = &input[..];
            reads = host.receive(key, &mut rest).ok()?;
            let taken = input.len() - rest.len();
            input.advance(taken);
        }
        input.reserve(4096);
        let moved = tokio::select! {
            read = reader.read_buf(&mut input), if reads => read,
            written = writer.write(&output.bytes[..output.free]), if output.free > 0 => {
                written.inspect(|&bytes| output.written(bytes))
            }
            () = wake.notified() => continue,
            Ok(()) = stored.changed(), if !output.held.is_empty() => continue,
        };
        if !matches!(moved, Ok(1..)) {
            return None;
        }
    }
}

/// Bytes that wait to be written.
#[derive(Default)]
struct Output {
    bytes: BytesMut,
    /// How many of them may leave.
    free: usize,
    /// The others: the record that must be stored first, and how many wait for it.
    held: VecDeque<(u64, usize)>,
}

impl Output {
    /// Takes packets from the broker. Returns what there is to do next.
    fn fill(&mut self, host: &Host, key: ConnectionKey) -> Result<Next, Gone> {
        let mut room = BUFFER.saturating_sub(self.bytes.len());
        loop {
            let before = self.bytes.len();
            let wire = &mut (&mut self.bytes).limit(room);
            let transmitted = host.call(|broker, now| broker.transmit(now, key, wire))?;
            let written = self.bytes.len() - before;
            if written > 0 {
                self.held.push_back((transmitted.depends_on, written));
            }
            match transmitted.next {
                // A packet that is larger than the whole buffer goes alone, all others wait.
                Next::Room(bytes) if self.bytes.is_empty() => room = bytes,
                next => return Ok(next),
            }
        }
    }

    /// Records up to this one are stored.
    fn release(&mut self, stored: u64) {
        while let Some((_, bytes)) = self.held.pop_front_if(|(record, _)| *record <= stored) {
            self.free += bytes;
        }
    }

    fn written(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        self.free -= bytes;
    }
}
