//! Where clients connect.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use mqtt5_tokio::{Address, Peer, Scheme, Server, accept_websocket};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::configuration::Tls;
use crate::broker::run::Failure;

/// A listener that is open.
pub struct Listener {
    scheme: Scheme,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Opens a listener.
    ///
    /// # Errors
    ///
    /// The address is wrong, or in use, or TLS is not configured.
    pub async fn open(address: &str, tls: Option<&TlsAcceptor>) -> Result<Self, Failure> {
        let parsed = Address::parse(address, Scheme::Mqtt)
            .map_err(|error| Failure(format!("The broker cannot listen: {error}.")))?;
        let scheme = parsed.scheme();
        if scheme.is_secure() && tls.is_none() {
            return Err(Failure(format!(
                "The listener {address} needs a certificate and a key."
            )));
        }
        let listener = TcpListener::bind((parsed.host(), parsed.port()))
            .await
            .map_err(|error| Failure(format!("The broker cannot listen at {address}: {error}.")))?;
        Ok(Listener {
            scheme,
            listener,
            tls: tls.filter(|_| scheme.is_secure()).cloned(),
        })
    }

    /// The address, with the port that the system chose if it was 0.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn address(&self) -> io::Result<String> {
        let address = self.listener.local_addr()?;
        let scheme = match self.scheme {
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
            _ => "mqtt",
        };
        Ok(format!("{scheme}://{address}"))
    }

    /// Serves clients until the server ends.
    ///
    /// # Errors
    ///
    /// As [`Server::listen`].
    pub async fn serve(self, server: Server) -> io::Result<()> {
        let Listener {
            scheme,
            listener,
            tls,
        } = self;
        match (tls, scheme.is_websocket()) {
            (None, false) => server.listen(listener).await,
            (None, true) => {
                let upgrade =
                    |stream, peer: Peer| async { Ok((accept_websocket(stream).await?, peer)) };
                server.listen_with(listener, upgrade).await
            }
            (Some(tls), false) => {
                let upgrade = move |stream, peer| secure(tls.clone(), stream, peer);
                server.listen_with(listener, upgrade).await
            }
            (Some(tls), true) => {
                let upgrade = move |stream, peer| {
                    let tls = tls.clone();
                    async move {
                        let (stream, peer) = secure(tls, stream, peer).await?;
                        Ok((accept_websocket(stream).await?, peer))
                    }
                };
                server.listen_with(listener, upgrade).await
            }
        }
    }
}

type Secure = tokio_rustls::server::TlsStream<TcpStream>;

async fn secure(tls: TlsAcceptor, stream: TcpStream, peer: Peer) -> io::Result<(Secure, Peer)> {
    let stream = tls.accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let name = certificates.and_then(|chain| common_name(chain.first()?));
    let peer = match name {
        Some(name) => peer.named(name),
        None => peer,
    };
    Ok((stream, peer))
}

/// The name in a certificate: the common name of its subject.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    names.next()?.as_str().ok().map(str::to_owned)
}

/// Reads the keys of the broker.
///
/// # Errors
///
/// A file cannot be read, or is not what it should be.
pub fn acceptor(tls: &Tls) -> Result<TlsAcceptor, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure(format!("TLS cannot be used: {error}.")))?;
    let builder = match &tls.client_authority {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| wrong(file, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build().map_err(|error| wrong(file, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, &error))?;
    let config = builder
        .with_single_cert(certificates(&tls.certificate)?, key)
        .map_err(|error| wrong(&tls.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let reader = BufReader::new(File::open(file).map_err(|error| wrong(file, &error))?);
    let all: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(reader).collect();
    let all = all.map_err(|error| wrong(file, &error))?;
    if all.is_empty() {
        return Err(wrong(file, &"it has no certificate"));
    }
    Ok(all)
}

fn wrong(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure(format!(
        "The file {} cannot be used: {error}.",
        file.display()
    ))
}
