//! What client sessions share.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::error::Error;
use crate::files;
use crate::options::Options;
use crate::session::ClientSetup;
use crate::verifier::{self, Listed, Nobody};

pub(crate) fn make(
    options: &Options,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientSetup, Error> {
    let verifier: Arc<dyn ServerCertVerifier> = match &options.ca {
        _ if !options.verify => Arc::new(Nobody),
        None => verifier::system(provider)?,
        Some(path) => {
            let (roots, listed) = files::authorities(path)?;
            let usual =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .build()
                    .map_err(|error| Error::Pem {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
            Arc::new(Listed { usual, listed })
        }
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Protocol(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match files::identity(options, provider)? {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(own(identity)),
    };
    config.alpn_protocols = options.alpn.clone();
    if !options.verify {
        // Several servers may have one name here, or none.
        config.resumption = Resumption::disabled();
    }
    Ok(ClientSetup {
        config: Arc::new(config),
        verifies: options.verify,
        trusted: match &options.ca {
            Some(path) => format!("those in {}", path.display()),
            None => "those of the system".to_owned(),
        },
    })
}

fn own(identity: Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(identity))
}
