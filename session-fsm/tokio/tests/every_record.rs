//! The server dies at every batch of records, one after the other: just before the batch is stored, and just after.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Network, soon};
use mqtt5_tokio::fsm::broker::journal::Batch;
use mqtt5_tokio::{AllowAll, Client, Message, Messages, Publication, Qos, Server, Store};

/// What of a batch is stored when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Before,
    After,
}

/// A map that outlives its server, and the batch at which that dies.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: usize,
    death: Option<(usize, Death)>,
}

impl Store for Records {
    fn read(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        for (key, value) in &self.0.lock().unwrap().map {
            each(key, value);
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        let death = match inner.death {
            Some((at, death)) if at == inner.batches => Some(death),
            _ => None,
        };
        inner.batches += 1;
        if death != Some(Death::Before) {
            for record in batch.records() {
                match record.value {
                    Some(value) => drop(inner.map.insert(record.key.to_vec(), value.to_vec())),
                    None => drop(inner.map.remove(record.key)),
                }
            }
        }
        match death {
            // Nothing that the server does from now on leaves it.
            Some(_) => {
                inner.death = None;
                Err(io::Error::other("the process dies"))
            }
            None => Ok(()),
        }
    }
}

fn start(records: &Records) -> io::Result<Server> {
    Server::builder(AllowAll).store(records.clone()).start()
}

/// Starts the server again whenever it has died.
async fn keep_alive(network: Network, records: Records) {
    loop {
        let _ = network.server().ended().await;
        network.cut();
        // It may die again while it is opened, when that stores something.
        let server = loop {
            if let Ok(server) = start(&records) {
                break server;
            }
        };
        network.replace(Some(server));
    }
}

async fn subscriber(network: &Network, name: &str, filters: &[&str]) -> (Client, Messages) {
    let (client, messages) = soon(network.client(name).connect()).await.unwrap();
    for filter in filters {
        soon(client.subscribe(filter, Qos::ExactlyOnce))
            .await
            .unwrap();
    }
    (client, messages)
}

const EACH: usize = 3;

/// How often each message arrived, by topic and payload.
#[derive(Default)]
struct Arrived(BTreeMap<(String, String), usize>);

impl Arrived {
    fn take(&mut self, message: &Message) {
        let key = (
            message.topic().to_owned(),
            message.text().unwrap().to_owned(),
        );
        *self.0.entry(key).or_default() += 1;
    }

    fn drain(&mut self, messages: &mut Messages) {
        while let Some(message) = messages.take() {
            self.take(&message);
        }
    }

    /// Whether all of QoS 1 and 2 are there.
    fn is_complete(&self) -> bool {
        let all = |topic: &str| self.0.keys().filter(|(it, _)| it == topic).count() == EACH;
        all("q/1") && all("q/2")
    }

    #[track_caller]
    fn check(&self, who: &str, death: Option<(usize, Death)>) {
        for ((topic, payload), &count) in &self.0 {
            let most = if topic == "q/1" { usize::MAX } else { 1 };
            assert!(
                count <= most,
                "{death:?}: {who} has {topic} {payload} {count} times"
            );
        }
        assert!(self.is_complete(), "{death:?}: {who} has only {:?}", self.0);
    }
}

/// Returns how many batches there were. One message after the other makes many batches; all at once make few with many
/// records each.
async fn run(at_once: bool, death: Option<(usize, Death)>) -> usize {
    let records = Records::default();
    records.0.lock().unwrap().death = death;
    // The first batch may be part of the start.
    let server = match start(&records) {
        Ok(server) => server,
        Err(_) => start(&records).unwrap(),
    };
    let network = Network::of(server);
    let living = tokio::spawn(keep_alive(network.clone(), records.clone()));

    let (_alone, mut to_one) = subscriber(&network, "one", &["q/+"]).await;
    let (_first, mut to_first) = subscriber(&network, "first", &["$share/g/q/+"]).await;
    let (_second, mut to_second) = subscriber(&network, "second", &["$share/g/q/+"]).await;
    let (publisher, _messages) = soon(network.client("publisher").connect()).await.unwrap();
    soon(publisher.publish_retained("kept", "old", Qos::AtLeastOnce))
        .await
        .unwrap();
    soon(publisher.publish_retained("kept", "new", Qos::ExactlyOnce))
        .await
        .unwrap();
    let mut pending = Vec::new();
    for number in 0..EACH {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let topic = format!("q/{}", qos as u8);
            let payload = number.to_string();
            let message = Publication::of(&topic, payload.as_bytes(), qos).unwrap();
            let mut outcome = Box::pin(soon(publisher.send(message).await.unwrap()));
            if at_once {
                pending.push((qos, outcome));
                continue;
            }
            let outcome = (&mut outcome).await;
            assert!(
                qos == Qos::AtMostOnce || outcome.is_ok(),
                "{death:?}: {outcome:?}"
            );
        }
    }
    for (qos, outcome) in pending {
        let outcome = outcome.await;
        assert!(
            qos == Qos::AtMostOnce || outcome.is_ok(),
            "{death:?}: {outcome:?}"
        );
    }
    let (mut one, mut group) = (Arrived::default(), Arrived::default());
    soon(async {
        while !(one.is_complete() && group.is_complete() && is_quiet(&network)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            one.drain(&mut to_one);
            group.drain(&mut to_first);
            group.drain(&mut to_second);
        }
    })
    .await;
    one.drain(&mut to_one);
    group.drain(&mut to_first);
    group.drain(&mut to_second);
    one.check("the subscriber", death);
    group.check("the group", death);

    let (_late, mut to_late) = subscriber(&network, "late", &["kept"]).await;
    let retained = soon(to_late.next()).await.unwrap();
    assert_eq!(retained.text(), Some("new"), "{death:?}");
    living.abort();
    records.0.lock().unwrap().batches
}

/// Whether nothing waits, or is on its way.
fn is_quiet(network: &Network) -> bool {
    network.server().look(|broker| {
        broker.sessions().all(|view| {
            let session = view.session();
            view.connection().is_some() && session.waiting() == 0 && session.in_flight() == 0
        })
    })
}

/// At each death: nothing that was acknowledged is lost, and nothing with QoS 2 comes twice; to a subscriber alone, to a
/// Shared Subscription, and to the retained messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_at_any_batch() {
    for at_once in [true, false] {
        let batches = run(at_once, None).await;
        assert!(batches > if at_once { 10 } else { 20 }, "{batches}");
        for at in 0..batches {
            for death in [Death::Before, Death::After] {
                run(at_once, Some((at, death))).await;
            }
        }
    }
}
