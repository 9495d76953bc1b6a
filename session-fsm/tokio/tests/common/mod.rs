//! A network in memory, whose cables can be cut, and whose server can be another one.
#![allow(dead_code, unreachable_pub)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt5_tokio::fsm::reconnect::ReconnectSettings;
use mqtt5_tokio::{
    AllowAll, BoxedFuture, BoxedStream, Client, ClientBuilder, Connector, Peer, ProtocolVersion,
    Server,
};
use tokio::task::JoinHandle;

pub const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V5_0, ProtocolVersion::V3_1_1];

/// How much a cable holds, in bytes.
const CABLE: usize = 1 << 12;

#[derive(Clone, Default)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    server: Option<Server>,
    cables: Vec<JoinHandle<()>>,
    opened: usize,
}

impl Network {
    pub fn of(server: Server) -> Self {
        let network = Network::default();
        network.replace(Some(server));
        network
    }

    pub fn open() -> Self {
        Network::of(Server::start(AllowAll).unwrap())
    }

    /// Connects to another server from now on, or to none.
    pub fn replace(&self, server: Option<Server>) -> Option<Server> {
        std::mem::replace(&mut self.inner.lock().unwrap().server, server)
    }

    pub fn server(&self) -> Server {
        self.inner.lock().unwrap().server.clone().unwrap()
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for cable in self.inner.lock().unwrap().cables.drain(..) {
            cable.abort();
        }
    }

    /// How many connections were opened.
    pub fn opened(&self) -> usize {
        self.inner.lock().unwrap().opened
    }

    /// A client that connects again at once.
    pub fn client(&self, client_identifier: &str) -> ClientBuilder {
        Client::builder("memory", client_identifier)
            .connector(self.clone())
            .reconnection(ReconnectSettings {
                initial_delay: Duration::from_millis(10),
                maximum_delay: Duration::from_millis(50),
                fall_back: true,
                ..ReconnectSettings::default()
            })
    }
}

impl Connector for Network {
    fn open<'a>(&'a self, _: &'a str) -> BoxedFuture<'a, io::Result<BoxedStream>> {
        Box::pin(async {
            let mut inner = self.inner.lock().unwrap();
            let Some(server) = inner.server.clone() else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (mine, its) = tokio::io::duplex(CABLE);
            let cable = tokio::spawn(async move { server.serve(its, Peer::default()).await });
            inner.cables.push(cable);
            inner.opened += 1;
            Ok(Box::new(mine) as BoxedStream)
        })
    }
}

/// Fails if it takes too long: nothing here has to wait.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it takes too long")
}
