//! What server sessions share.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use crate::client::versions;
use crate::error::Error;
use crate::files;
use crate::options::{ClientCert, Options};
use crate::session::ServerSetup;

pub(crate) fn make(
    options: &Options,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerSetup, Error> {
    let identity = files::identity(options, provider)?.ok_or(Error::CertificateMissing)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions(options))
        .map_err(|error| Error::Protocol(error.to_string()))?;
    let builder = match options.client_cert {
        ClientCert::None => builder.with_no_client_auth(),
        wanted => {
            let path = options.ca.as_ref().ok_or(Error::AuthoritiesMissing)?;
            let (roots, _) = files::authorities(path)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .with_crls(files::revoked(options)?)
                    .only_check_end_entity_revocation()
                    .allow_unknown_revocation_status();
            let verifier = match wanted {
                ClientCert::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            let verifier = verifier.build().map_err(|error| Error::Pem {
                path: path.clone(),
                why: error.to_string(),
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = options.alpn.clone();
    if options.strict {
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(ServerSetup {
        config: Arc::new(config),
        trusted: match &options.ca {
            Some(path) => format!("those in {}", path.display()),
            None => String::new(),
        },
    })
}
