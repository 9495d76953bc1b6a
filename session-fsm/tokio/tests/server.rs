//! The server: who may do what, what survives, and how it ends.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Network, VERSIONS, soon};
use mqtt5_tokio::codec::{Message, Publish, Subscription};
use mqtt5_tokio::fsm::Publication;
use mqtt5_tokio::fsm::broker::journal::Batch;
use mqtt5_tokio::fsm::broker::{BrokerConfig, Grant, Notice, Permission};
use mqtt5_tokio::fsm::reconnect::GiveUp;
use mqtt5_tokio::{
    Access, Admitted, AllowAll, Authenticator, BoxedFuture, ConnectError, ConnectionState,
    Exchange, Identity, Login, LoginAnswer, Peer, PublishFailure, Qos, ReasonCode, Report,
    RequestFailure, Server, Store, Will,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Knows one user, who may publish below `own`, and subscribe to everything but `secret`, with QoS 1 at most.
struct Guarded;

impl Access for Guarded {
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer> {
        Box::pin(async move {
            // A password file is not read at once.
            tokio::task::yield_now().await;
            if let Some(method) = login.connect.properties.authentication_method() {
                return match method.as_str() {
                    "count" => LoginAnswer::Continue(b"1".to_vec(), Box::new(Counting)),
                    _ => LoginAnswer::Refuse(ReasonCode::BadAuthenticationMethod),
                };
            }
            let user = login.connect.user_name.map(|it| it.as_str().to_owned());
            let password = login
                .connect
                .password
                .as_ref()
                .map(|it| it.as_bytes().to_vec());
            match (user, password.as_deref()) {
                (Some(user), Some(b"secret")) => LoginAnswer::Accept(Admitted::as_principal(user)),
                _ => LoginAnswer::Refuse(ReasonCode::BadUserNameOrPassword),
            }
        })
    }

    fn re_authenticate<'a>(&'a self, _: &'a Identity, _: &'a [u8]) -> BoxedFuture<'a, LoginAnswer> {
        Box::pin(async { LoginAnswer::Continue(b"1".to_vec(), Box::new(Counting)) })
    }

    fn may_publish(&self, who: &Identity, publish: &Publish<'_>) -> Permission {
        assert_eq!(who.principal, "user");
        match publish
            .topic
            .is_some_and(|it| it.as_str().starts_with("own/"))
        {
            true => Permission::Publish,
            false => Permission::Refuse(ReasonCode::NotAuthorized),
        }
    }

    fn may_subscribe(&self, _: &Identity, subscription: &Subscription<'_>) -> Grant {
        match subscription.filter.as_str() {
            "secret" => Grant::Refuse(ReasonCode::NotAuthorized),
            _ => Grant::UpTo(Qos::AtLeastOnce),
        }
    }
}

/// The client says one more than the server, until 4.
struct Counting;

impl Exchange for Counting {
    fn answer(self: Box<Self>, data: &[u8]) -> BoxedFuture<'static, LoginAnswer> {
        let answer = match data {
            b"2" => LoginAnswer::Continue(b"3".to_vec(), self),
            b"4" => {
                LoginAnswer::Accept(Admitted::as_principal("user").with_authentication_data("5"))
            }
            _ => LoginAnswer::Refuse(ReasonCode::NotAuthorized),
        };
        Box::pin(async { answer })
    }
}

struct Counter {
    step: u8,
    finished: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
}

impl Authenticator for Counter {
    fn method(&self) -> &str {
        "count"
    }

    fn begin(&mut self) -> Vec<u8> {
        b"0".to_vec()
    }

    fn answer(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        Some(vec![data.first()? + self.step])
    }

    fn finish(&mut self, data: Option<&[u8]>) -> bool {
        self.finished.lock().unwrap().push(data.map(Into::into));
        data == Some(b"5")
    }
}

fn guarded() -> Network {
    Network::of(Server::start(Guarded).unwrap())
}

#[tokio::test]
async fn who_is_unknown_is_refused_for_good() {
    for version in VERSIONS {
        let network = guarded();
        let wrong = network.client("it").version(version).login("user", "wrong");
        let refused = soon(wrong.connect()).await.unwrap_err();
        let why = GiveUp::Refused(ReasonCode::BadUserNameOrPassword);
        assert_eq!(refused, ConnectError::GaveUp(why));
        assert_eq!(network.opened(), 1);
    }
}

#[tokio::test]
async fn permissions_hold() {
    let network = guarded();
    let start = network.client("it").login("user", "secret").connect();
    let (client, mut messages) = soon(start).await.unwrap();
    let refused = soon(client.publish("other", "", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(PublishFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
    let refused = soon(client.subscribe("secret", Qos::AtLeastOnce)).await;
    assert_eq!(
        refused,
        Err(RequestFailure::Rejected(ReasonCode::NotAuthorized, None))
    );
    assert_eq!(
        soon(client.subscribe("own/#", Qos::ExactlyOnce)).await,
        Ok(Qos::AtLeastOnce)
    );
    soon(client.publish("own/a", "x", Qos::AtLeastOnce))
        .await
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().topic(), "own/a");
    // Nor may anything be published when it is gone.
    let will = Will::new("other", "", Qos::AtMostOnce);
    let start = network
        .client("other")
        .login("user", "secret")
        .will(will)
        .connect();
    let why = GiveUp::Refused(ReasonCode::NotAuthorized);
    assert_eq!(soon(start).await.unwrap_err(), ConnectError::GaveUp(why));
}

#[tokio::test]
async fn enhanced_authentication_and_re_authentication() {
    let network = guarded();
    let finished = Arc::default();
    let counter = Counter {
        step: 1,
        finished: Arc::clone(&finished),
    };
    let start = network.client("it").authenticator(counter).connect();
    let (client, _messages) = soon(start).await.unwrap();
    assert_eq!(*finished.lock().unwrap(), [Some(b"5".to_vec())]);
    soon(client.re_authenticate()).await.unwrap();
    while finished.lock().unwrap().len() < 2 {
        soon(client.publish("own/a", "x", Qos::AtLeastOnce))
            .await
            .unwrap();
    }
    assert_eq!(finished.lock().unwrap()[1], Some(b"5".to_vec()));

    let cheat = Counter {
        step: 2,
        finished: Arc::default(),
    };
    let start = network.client("cheat").authenticator(cheat).connect();
    let why = GiveUp::Refused(ReasonCode::NotAuthorized);
    assert_eq!(soon(start).await.unwrap_err(), ConnectError::GaveUp(why));
}

/// Does not believe any server.
struct Wary;

impl Authenticator for Wary {
    fn method(&self) -> &str {
        "count"
    }

    fn begin(&mut self) -> Vec<u8> {
        b"0".to_vec()
    }

    fn answer(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        Some(vec![data.first()? + 1])
    }

    fn finish(&mut self, _: Option<&[u8]>) -> bool {
        false
    }
}

/// A client sends nothing to a server that has not proven who it is, whatever waits in its Session.
#[tokio::test]
async fn a_server_that_is_not_trusted_is_left() {
    let network = guarded();
    let builder = network.client("it").authenticator(Wary);
    let (client, _messages) = soon(builder.start()).await.unwrap();
    let mut waiting = Publication::of("own/a", b"secret", Qos::AtLeastOnce).unwrap();
    waiting.retain = true;
    let outcome = client.send(waiting).await.unwrap();
    let mut state = client.state();
    let is_left = |it: &ConnectionState| match it {
        ConnectionState::Connecting { why } => why == "the server has not proven who it is",
        _ => false,
    };
    // And again on the next connection.
    for _ in 0..2 {
        soon(state.wait_for(is_left)).await.unwrap();
        state.mark_unchanged();
        soon(state.changed()).await.unwrap();
    }
    assert_eq!(network.server().look(|it| it.statistics().retained), 0);
    assert!(network.opened() > 1);
    soon(client.disconnect()).await;
    assert_eq!(outcome.await, Err(PublishFailure::Ended));
}

/// A Reason Code that only a server may send does not keep the client from ending.
#[tokio::test]
async fn disconnecting_ends_whatever_the_reason_code() {
    let network = Network::open();
    for code in [ReasonCode::NotAuthorized, ReasonCode::GrantedQos1] {
        let (client, _messages) = soon(network.client("it").connect()).await.unwrap();
        soon(client.disconnect_with(code)).await;
        assert!(matches!(
            *client.state().borrow(),
            ConnectionState::Ended { .. }
        ));
    }
}

#[tokio::test]
async fn a_client_without_a_name_gets_one() {
    let network = Network::open();
    let (_first, _a) = soon(network.client("").connect()).await.unwrap();
    let (_second, _b) = soon(network.client("").connect()).await.unwrap();
    let names: Vec<String> = network.server().look(|broker| {
        broker
            .sessions()
            .map(|it| it.session().client_identifier().to_owned())
            .collect()
    });
    assert_eq!(names.len(), 2);
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("auto-") && name.len() == 37),
        "{names:?}"
    );
}

/// A map that outlives its server.
#[derive(Clone, Default)]
struct Records {
    map: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    fails: Arc<Mutex<bool>>,
}

impl Store for Records {
    fn read(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        for (key, value) in &*self.map.lock().unwrap() {
            each(key, value);
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        if *self.fails.lock().unwrap() {
            return Err(io::Error::other("the disk is full"));
        }
        let mut map = self.map.lock().unwrap();
        for record in batch.records() {
            match record.value {
                Some(value) => drop(map.insert(record.key.to_vec(), value.to_vec())),
                None => drop(map.remove(record.key)),
            }
        }
        Ok(())
    }
}

fn stored(records: &Records) -> Server {
    Server::builder(AllowAll)
        .store(records.clone())
        .start()
        .unwrap()
}

#[tokio::test]
async fn what_is_acknowledged_survives_a_crash() {
    let records = Records::default();
    let network = Network::of(stored(&records));
    let (subscriber, mut messages) = soon(network.client("it").connect()).await.unwrap();
    soon(subscriber.subscribe("a", Qos::ExactlyOnce))
        .await
        .unwrap();
    let (publisher, _) = soon(network.client("publisher").connect()).await.unwrap();
    soon(publisher.publish("a", "0", Qos::ExactlyOnce))
        .await
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("0"));
    for round in 1..=20 {
        // Half of the messages come while the subscriber is away; then the server dies without a word.
        let outcome = publisher.publish("a", round.to_string(), Qos::ExactlyOnce);
        soon(outcome).await.unwrap();
        network.cut();
        network.replace(Some(stored(&records)));
        let message = soon(messages.next()).await.unwrap();
        assert_eq!(message.text(), Some(&*round.to_string()));
    }
    assert!(messages.take().is_none());
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_stored() {
    let records = Records::default();
    let server = stored(&records);
    let network = Network::of(server.clone());
    let (client, _messages) = soon(network.client("it").connect()).await.unwrap();
    *records.fails.lock().unwrap() = true;
    network.replace(None);
    let publication = Publication::of("a", b"lost", Qos::ExactlyOnce).unwrap();
    let outcome = client.send(publication).await.unwrap();
    let failed = soon(server.ended()).await.unwrap_err();
    assert_eq!(failed.to_string(), "the store: the disk is full");
    // The client has read everything that the server has written.
    let mut state = client.state();
    let is_lost = |it: &ConnectionState| matches!(it, ConnectionState::Connecting { .. });
    soon(state.wait_for(is_lost)).await.unwrap();
    tokio::select! {
        biased;
        outcome = outcome => panic!("{outcome:?}"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn shutting_down_disconnects_and_keeps_sessions() {
    let records = Records::default();
    let server = stored(&records);
    let network = Network::of(server.clone());
    let (client, mut messages) = soon(network.client("it").connect()).await.unwrap();
    soon(client.subscribe("a", Qos::AtLeastOnce)).await.unwrap();
    network.replace(None);
    soon(server.shut_down(ReasonCode::ServerShuttingDown))
        .await
        .unwrap();
    let mut state = client.state();
    let is_told = |it: &ConnectionState| match it {
        ConnectionState::Connecting { why } => why.contains("0x8B"),
        _ => false,
    };
    soon(state.wait_for(is_told)).await.unwrap();
    network.replace(Some(stored(&records)));
    let is_back = |it: &ConnectionState| {
        matches!(
            it,
            ConnectionState::Connected {
                session_present: true,
                ..
            }
        )
    };
    soon(state.wait_for(is_back)).await.unwrap();
    network
        .server()
        .publish(Message::of("a", b"again").unwrap(), Qos::AtLeastOnce)
        .unwrap();
    assert_eq!(soon(messages.next()).await.unwrap().text(), Some("again"));
}

#[tokio::test]
async fn the_observer_hears_of_connections() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let observer = move |report: &Report<'_>| {
        let line = match report {
            Report::Broker(Notice::Connected {
                client_identifier, ..
            }) => format!("{client_identifier} came"),
            Report::Ended {
                client_identifier,
                cause,
                ..
            } => format!("{client_identifier:?}: {cause:?}"),
            _ => return,
        };
        hears.lock().unwrap().push(line);
    };
    let network = Network::of(
        Server::builder(AllowAll)
            .observer(observer)
            .start()
            .unwrap(),
    );
    let (client, _) = soon(network.client("it").connect()).await.unwrap();
    soon(client.disconnect()).await;
    let (mut mine, its) = tokio::io::duplex(100);
    mine.write_all(b"\x10\x00").await.unwrap();
    drop(mine);
    soon(network.server().serve(its, Peer::default())).await;
    let heard = heard.lock().unwrap().clone();
    assert_eq!(
        heard[..2],
        ["it came", "Some(\"it\"): Some(PeerDisconnected(Success))"]
    );
    assert!(heard[2].starts_with("None: Some(PeerError("), "{heard:?}");
}

/// A message that the server has acknowledged is delivered to connected subscribers before they are disconnected.
#[tokio::test]
async fn what_was_confirmed_is_delivered_before_the_end() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for _ in 0..30 {
            let server = Server::start(AllowAll).unwrap();
            let network = Network::of(server.clone());
            let (subscriber, mut messages) =
                soon(network.client("subscriber").connect()).await.unwrap();
            soon(subscriber.subscribe("a", qos)).await.unwrap();
            let (publisher, _) = soon(network.client("publisher").connect()).await.unwrap();
            for _ in 0..20 {
                soon(publisher.publish("a", "", Qos::ExactlyOnce))
                    .await
                    .unwrap();
            }
            network.replace(None);
            let ended = tokio::spawn({
                let server = server.clone();
                async move { server.shut_down(ReasonCode::ServerShuttingDown).await }
            });
            for number in 0..20 {
                let next = tokio::time::timeout(Duration::from_secs(5), messages.next()).await;
                assert!(matches!(next, Ok(Some(_))), "{qos:?}: {number}");
            }
            soon(ended).await.unwrap().unwrap();
            let refused = server.publish(Message::of("a", b"").unwrap(), qos);
            assert_eq!(refused, Err(ReasonCode::ServerShuttingDown));
        }
    }
}

#[tokio::test]
async fn the_port_is_free_again() {
    let mut address = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
    for _ in 0..20 {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        address = listener.local_addr().unwrap();
        let server = Server::start(AllowAll).unwrap();
        let listening = tokio::spawn({
            let server = server.clone();
            async move { server.listen(listener).await }
        });
        let (client, _) = soon(mqtt5_tokio::Client::connect(address.to_string(), "it"))
            .await
            .unwrap();
        soon(client.disconnect()).await;
        soon(server.shut_down(ReasonCode::ServerShuttingDown))
            .await
            .unwrap();
        soon(listening).await.unwrap().unwrap();
    }
}

/// A client that goes on and on after it broke a rule is not listened to for ever.
#[tokio::test]
async fn a_client_that_does_not_stop_is_cut_off() {
    let server = Server::start(AllowAll).unwrap();
    let (mut mine, its) = tokio::io::duplex(1 << 12);
    let serving = tokio::spawn(async move { server.serve(its, Peer::default()).await });
    let mut written = 0;
    while mine.write_all(&[0xFF; 1 << 12]).await.is_ok() {
        written += 1 << 12;
        assert!(written < 1 << 20);
    }
    soon(serving).await.unwrap();
}

/// A publisher that never pauses is not read until the queues of its subscribers are full: they have their turns.
#[tokio::test]
async fn a_publisher_that_never_pauses_gives_way() {
    const MESSAGES: usize = 20_000;
    let mut config = BrokerConfig::default();
    config.server.session.waiting.messages = MESSAGES as u32 / 4;
    let server = Server::builder(AllowAll).config(config).start().unwrap();
    // All that is published is there at once.
    let connect = b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01";
    let subscribe = b"\x82\x07\0\x01\0\0\x01t\0";
    let publish = b"\x30\x04\0\x01t\0";
    let (mut publisher, its) = tokio::io::duplex(1 << 20);
    publisher.write_all(connect).await.unwrap();
    publisher.write_all(b"p").await.unwrap();
    publisher
        .write_all(&publish.repeat(MESSAGES))
        .await
        .unwrap();
    let mut readers = Vec::new();
    for name in ["a", "b", "c"] {
        let (mut mine, its) = tokio::io::duplex(1 << 20);
        mine.write_all(connect).await.unwrap();
        mine.write_all(name.as_bytes()).await.unwrap();
        mine.write_all(subscribe).await.unwrap();
        tokio::spawn(server.serve(its, Peer::default()));
        let mut answers = Vec::new();
        while !answers.ends_with(b"\x90\x04\0\x01\0\0") {
            soon(mine.read_buf(&mut answers)).await.unwrap();
        }
        readers.push(tokio::spawn(async move {
            let mut received = vec![0; MESSAGES * publish.len()];
            soon(mine.read_exact(&mut received)).await.map(|_| received)
        }));
    }
    tokio::spawn(server.serve(its, Peer::default()));
    for reader in readers {
        assert_eq!(
            soon(reader).await.unwrap().unwrap(),
            publish.repeat(MESSAGES)
        );
    }
    assert_eq!(server.look(|broker| broker.statistics().dropped), 0);
}
