//! TLS, client certificates, and WebSocket.

use std::path::Path;
use std::sync::Arc;

use mqtt5_tokio::{Peer, Server, accept_websocket};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::house::{House, PUBLISH, SUBSCRIBE, run};

/// Makes an authority, and certificates of it for a server and a client. The files are those of the client.
fn acceptor(directory: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    };
    let (mine, my_key) = issue("client");
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write("ca.pem", authority.pem());
    write("certificate.pem", mine.pem());
    write("key.pem", my_key.serialize_pem());

    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let (its, its_key) = issue("localhost");
    let key = PrivateKeyDer::try_from(its_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from(its)], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Listens with TLS, WebSocket, or both. Returns the port. A client with a certificate is named.
async fn listen(server: &Server, tls: Option<TlsAcceptor>, websocket: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.clone();
    let upgrade = move |stream, peer: Peer| {
        let tls = tls.clone();
        async move {
            let (stream, peer): (mqtt5_tokio::BoxedStream, Peer) = match tls {
                Some(tls) => {
                    let stream = tls.accept(stream).await?;
                    let is_known = stream.get_ref().1.peer_certificates().is_some();
                    let name = if is_known { "known" } else { "unknown" };
                    (Box::new(stream), peer.named(name))
                }
                None => (Box::new(stream), peer),
            };
            let stream: mqtt5_tokio::BoxedStream = match websocket {
                true => Box::new(accept_websocket(stream).await?),
                false => stream,
            };
            Ok((stream, peer))
        }
    };
    tokio::spawn(async move { server.listen_with(listener, upgrade).await });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scheme_works() {
    let directory = tempfile::tempdir().unwrap();
    let tls = acceptor(directory.path());
    let house = House::open().await;
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = (file("ca.pem"), file("certificate.pem"), file("key.pem"));
    for (scheme, tls, websocket) in [
        ("mqtts", Some(&tls), false),
        ("ws", None, true),
        ("wss", Some(&tls), true),
    ] {
        let port = listen(&house.server, tls.cloned(), websocket).await;
        let url = format!("{scheme}://localhost:{port}");
        let publish = ["kept", scheme, "--retain", "--server", &url, "--ca", &ca];
        run(PUBLISH, &publish, b"").await.fine();
        assert_eq!(house.last_said().peer.as_deref(), tls.map(|_| "unknown"));
        let subscribe = [
            "kept",
            "--count",
            "1",
            "--server",
            &url,
            "--ca",
            &ca,
            "--certificate",
            &certificate,
            "--key",
            &key,
        ];
        let ran = run(SUBSCRIBE, &subscribe, b"").await.fine();
        assert_eq!(ran.text(), format!("{scheme}\n"));
        assert_eq!(house.last_said().peer.as_deref(), tls.map(|_| "known"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_trusts_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let tls = acceptor(directory.path());
    let house = House::open().await;
    let port = listen(&house.server, Some(tls), false).await;
    let url = format!("mqtts://localhost:{port}");
    let options = ["a", "x", "--server", &url, "--timeout", "0.5"];
    run(PUBLISH, &options, b"")
        .await
        .ended(2, "invalid peer certificate");
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let options = ["a", "x", "--server", &url, "--ca", empty.to_str().unwrap()];
    run(PUBLISH, &options, b"")
        .await
        .ended(1, "it has no certificate");
}
