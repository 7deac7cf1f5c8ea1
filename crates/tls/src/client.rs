//! What client sessions share.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, SupportedProtocolVersion};

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
                    .with_crls(files::revoked(options)?)
                    .only_check_end_entity_revocation()
                    .allow_unknown_revocation_status()
                    .build()
                    .map_err(|error| Error::Pem {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
            Arc::new(Listed { usual, listed })
        }
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions(options))
        .map_err(|error| Error::Protocol(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match files::identity(options, provider)? {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(own(identity)),
    };
    config.alpn_protocols = options.alpn.clone();
    if !options.verify || options.strict {
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

/// The versions that are spoken.
pub(crate) fn versions(options: &Options) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    match options.strict {
        true => NEWEST,
        false => rustls::DEFAULT_VERSIONS,
    }
}

fn own(identity: Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(identity))
}
