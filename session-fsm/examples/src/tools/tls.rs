//! TLS with other authorities, and with a client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::Failure;

/// Makes a configuration of TLS from PEM files. Without `ca`, it trusts the authorities that browsers trust.
pub(super) fn configuration(
    ca: Option<&Path>,
    identity: Option<(&PathBuf, &PathBuf)>,
) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::local)?
        .with_root_certificates(roots(ca)?);
    let Some((certificate, key)) = identity else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let configuration = builder.with_client_auth_cert(chain, secret);
    Ok(Arc::new(
        configuration.map_err(|error| unreadable(key, &error))?,
    ))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Failure> {
    let Some(file) = ca else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        return Ok(RootCertStore { roots });
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = store.add(certificate);
        added.map_err(|error| unreadable(file, &error))?;
    }
    Ok(store)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| unreadable(file, &error))?;
    match all.is_empty() {
        true => Err(unreadable(file, &"it has no certificate in the form PEM")),
        false => Ok(all),
    }
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Local(format!(
        "The file {} cannot be used: {error}.",
        file.display()
    ))
}
