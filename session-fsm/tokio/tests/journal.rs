//! What a client's journal keeps.

mod common;

use std::io;
use std::sync::{Arc, Mutex};

use common::{Network, VERSIONS, soon};
use mqtt5_tokio::fsm::Publication;
use mqtt5_tokio::{ConnectError, Journal, PublishFailure, Qos};

#[derive(Clone, Default)]
struct Entries {
    all: Arc<Mutex<Vec<Vec<u8>>>>,
    fails: Arc<Mutex<bool>>,
}

impl Journal for Entries {
    fn entries(&mut self) -> io::Result<Vec<Vec<u8>>> {
        Ok(self.all.lock().unwrap().clone())
    }

    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        if *self.fails.lock().unwrap() {
            return Err(io::Error::other("the disk is full"));
        }
        self.all.lock().unwrap().push(entry.to_vec());
        Ok(())
    }

    fn replace(&mut self, entry: &[u8]) -> io::Result<()> {
        *self.all.lock().unwrap() = vec![entry.to_vec()];
        Ok(())
    }
}

/// Each start of the client takes some messages, and dies. All of them arrive in the end, once.
async fn dies_and_comes_back(journal: impl Fn() -> io::Result<Box<dyn Journal>>) {
    const COUNT: usize = 40;
    for version in VERSIONS {
        let network = Network::open();
        let (subscriber, mut messages) =
            soon(network.client("subscriber").connect()).await.unwrap();
        soon(subscriber.subscribe("n", Qos::ExactlyOnce))
            .await
            .unwrap();
        for number in 0..COUNT {
            let start = network
                .client("it")
                .version(version)
                .journal(Boxed(journal().unwrap()));
            // Without a connection, with one, and with one that is cut.
            let server = (number % 3 == 0).then(|| network.replace(None));
            let (client, own) = start.start().await.unwrap();
            let publication = Publication::of("n", number.to_string().as_bytes(), Qos::ExactlyOnce);
            let outcome = client.send(publication.unwrap()).await.unwrap();
            match number % 3 {
                // It is accepted, which nothing tells, but that the next call is.
                0 => drop(
                    client
                        .send(Publication::of("m", b"", Qos::AtLeastOnce).unwrap())
                        .await
                        .unwrap(),
                ),
                1 => drop(soon(outcome).await.unwrap()),
                _ => network.cut(),
            }
            soon(client.disconnect()).await;
            drop(own);
            if let Some(server) = server {
                network.replace(server);
            }
        }
        let (client, _own) = soon(
            network
                .client("it")
                .version(version)
                .journal(Boxed(journal().unwrap()))
                .connect(),
        )
        .await
        .unwrap();
        let mut seen = Vec::new();
        while seen.len() < COUNT {
            let message = soon(messages.next()).await.unwrap();
            seen.push(message.text().unwrap().parse::<usize>().unwrap());
        }
        assert!(seen.iter().copied().eq(0..COUNT), "{seen:?}");
        soon(client.publish("n", "last", Qos::ExactlyOnce))
            .await
            .unwrap();
        assert_eq!(soon(messages.next()).await.unwrap().text(), Some("last"));
        soon(client.disconnect()).await;
    }
}

struct Boxed(Box<dyn Journal>);

impl Journal for Boxed {
    fn entries(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.0.entries()
    }

    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        self.0.append(entry)
    }

    fn replace(&mut self, entry: &[u8]) -> io::Result<()> {
        self.0.replace(entry)
    }
}

#[tokio::test]
async fn accepted_messages_survive_the_client() {
    let entries = Entries::default();
    dies_and_comes_back(|| Ok(Box::new(entries.clone()))).await;
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn accepted_messages_survive_in_a_file() {
    use mqtt5_tokio::{AllowAll, RedbJournal, RedbStore, Server};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    dies_and_comes_back(|| Ok(Box::new(RedbJournal::open(&path)?))).await;

    // The same for a server.
    let path = directory.path().join("store");
    let open = || {
        Server::builder(AllowAll)
            .store(RedbStore::open(&path).unwrap())
            .start()
            .unwrap()
    };
    let network = Network::of(open());
    let (client, mut messages) = soon(network.client("it").connect()).await.unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    let busy = RedbStore::open(&path).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::AddrInUse, "{busy}");
    for round in 0..3 {
        soon(client.publish("a", round.to_string(), Qos::AtLeastOnce))
            .await
            .unwrap();
        assert_eq!(
            soon(messages.next()).await.unwrap().text(),
            Some(&*round.to_string())
        );
        let server = network.replace(None).unwrap();
        soon(server.shut_down(mqtt5_tokio::ReasonCode::ServerShuttingDown))
            .await
            .unwrap();
        drop(server);
        // Its tasks let go of the file.
        let again = loop {
            match RedbStore::open(&path) {
                Ok(store) => break store,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        network.replace(Some(
            Server::builder(AllowAll).store(again).start().unwrap(),
        ));
    }
    // What is no database is not one.
    let other = directory.path().join("text");
    std::fs::write(&other, "hello").unwrap();
    assert!(RedbStore::open(&other).is_err() && RedbJournal::open(&other).is_err());
}

#[tokio::test]
async fn a_client_whose_journal_fails_ends() {
    let entries = Entries::default();
    let network = Network::open();
    let start = network.client("it").journal(entries.clone()).connect();
    let (client, _messages) = soon(start).await.unwrap();
    *entries.fails.lock().unwrap() = true;
    let outcome = soon(client.publish("a", "", Qos::AtLeastOnce)).await;
    assert_eq!(outcome, Err(PublishFailure::Ended));
    let ended = network.client("it").journal({
        let damaged = Entries::default();
        damaged.all.lock().unwrap().push(b"what is this?".to_vec());
        damaged
    });
    let refused = soon(ended.connect()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Journal(_)), "{refused}");
}
