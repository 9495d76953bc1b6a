//! TCP, TLS and WebSocket, on loopback.
#![cfg(all(feature = "tls", feature = "websocket"))]

mod common;

use std::sync::Arc;

use common::{VERSIONS, soon};
use mqtt5_tokio::{
    AllowAll, Client, Network, Peer, Qos, ReasonCode, Scheme, Server, accept_websocket,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Keys {
    acceptor: TlsAcceptor,
    client: Arc<rustls::ClientConfig>,
}

/// A certificate for `localhost` that only this test trusts.
fn keys() -> Keys {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert);
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Keys {
        acceptor: TlsAcceptor::from(Arc::new(server)),
        client: Arc::new(client),
    }
}

/// Starts a server with one listener of this kind. Returns its port.
async fn serve(server: &Server, scheme: Scheme, keys: &Keys) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server, acceptor) = (server.clone(), keys.acceptor.clone());
    tokio::spawn(async move {
        match scheme {
            Scheme::Mqtt => server.listen(listener).await,
            Scheme::Mqtts => {
                let upgrade = move |stream, peer: Peer| {
                    let acceptor = acceptor.clone();
                    async move { Ok((acceptor.accept(stream).await?, peer)) }
                };
                server.listen_with(listener, upgrade).await
            }
            Scheme::Ws => {
                let upgrade =
                    |stream, peer: Peer| async move { Ok((accept_websocket(stream).await?, peer)) };
                server.listen_with(listener, upgrade).await
            }
            _ => {
                let upgrade = move |stream, peer: Peer| {
                    let acceptor = acceptor.clone();
                    async move {
                        Ok((
                            accept_websocket(acceptor.accept(stream).await?).await?,
                            peer,
                        ))
                    }
                };
                server.listen_with(listener, upgrade).await
            }
        }
    });
    port
}

const SCHEMES: [(Scheme, &str); 4] = [
    (Scheme::Mqtt, "mqtt"),
    (Scheme::Mqtts, "mqtts"),
    (Scheme::Ws, "ws"),
    (Scheme::Wss, "wss"),
];

#[tokio::test]
async fn every_transport_carries_everything() {
    let keys = keys();
    let server = Server::start(AllowAll).unwrap();
    for (scheme, name) in SCHEMES {
        let port = serve(&server, scheme, &keys).await;
        for version in VERSIONS {
            let address = format!("{name}://localhost:{port}");
            let network = Network::new(scheme).tls(keys.client.clone());
            let start = Client::builder(address, "it")
                .connector(network)
                .version(version);
            let (client, mut messages) = soon(start.connect()).await.unwrap();
            soon(client.subscribe("a", Qos::ExactlyOnce)).await.unwrap();
            // Smaller and larger than every buffer on the way, at once.
            for size in [0, 1, 100, 10_000, 70_000, 300_000, 1_000_000] {
                let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                soon(client.publish("a", &payload, Qos::ExactlyOnce))
                    .await
                    .unwrap();
                let message = soon(messages.next()).await.unwrap();
                assert!(message.payload() == payload, "{name} {size}");
            }
            soon(client.disconnect()).await;
        }
    }
    soon(server.shut_down(ReasonCode::ServerShuttingDown))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let keys = keys();
    let server = Server::start(AllowAll).unwrap();
    let port = serve(&server, Scheme::Mqtts, &keys).await;
    let (client, _messages) = Client::builder(format!("mqtts://localhost:{port}"), "it")
        .start()
        .await
        .unwrap();
    let mut state = client.state();
    let is_refused = |state: &mqtt5_tokio::ConnectionState| match state {
        mqtt5_tokio::ConnectionState::Connecting { why } => why.contains("certificate"),
        _ => false,
    };
    soon(state.wait_for(is_refused)).await.unwrap();
}
