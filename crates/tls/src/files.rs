//! Certificates and keys in PEM files.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use rustls::sign::CertifiedKey;

use crate::error::Error;
use crate::options::Options;

/// No certificate or key file is as large; a mistaken path may be.
const MOST: u64 = 16 << 20;

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::File {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() || about.len() > MOST {
        return Err(Error::File {
            path: path.to_owned(),
            why: format!("not a file of at most {} MiB", MOST >> 20),
        });
    }
    fs::read(path).map_err(failed)
}

/// All certificates of a file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| Error::Pem {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(Error::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

/// The private key of a file: PKCS#8, PKCS#1 or SEC1.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let encrypted = bytes.windows(9).any(|word| word == b"ENCRYPTED");
        match error {
            _ if encrypted => Error::EncryptedKey {
                path: path.to_owned(),
            },
            rustls::pki_types::pem::Error::NoItemsFound => Error::NoKey {
                path: path.to_owned(),
            },
            other => Error::Pem {
                path: path.to_owned(),
                why: other.to_string(),
            },
        }
    })
}

/// The own certificate with its key. `None` if the options name none.
pub(crate) fn identity(
    options: &Options,
    provider: &CryptoProvider,
) -> Result<Option<Arc<CertifiedKey>>, Error> {
    if options.nameless {
        return nameless(provider).map(Some);
    }
    let Some(cert) = &options.cert else {
        return match &options.key {
            Some(key) => Err(Error::KeyWithoutCertificate { path: key.clone() }),
            None => Ok(None),
        };
    };
    let chain = certificates(cert)?;
    let key_path = options.key.as_ref().unwrap_or(cert);
    let unusable = |error: rustls::Error| Error::Key {
        path: key_path.clone(),
        why: error.to_string(),
    };
    let signing = provider
        .key_provider
        .load_private_key(key(key_path)?)
        .map_err(unusable)?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Some(Arc::new(certified)))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::KeyMismatch {
            cert: cert.clone(),
            key: key_path.clone(),
        }),
        Err(error) => Err(Error::Pem {
            path: cert.clone(),
            why: error.to_string(),
        }),
    }
}

/// A certificate that is made once in the life of the process.
fn nameless(provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    static MADE: OnceLock<Arc<CertifiedKey>> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(Arc::clone(made));
    }
    let failed = |error: &dyn std::fmt::Display| Error::Protocol(error.to_string());
    let made = rcgen::generate_simple_self_signed(Vec::new()).map_err(|error| failed(&error))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let signing = provider
        .key_provider
        .load_private_key(key.into())
        .map_err(|error| failed(&error))?;
    let made = CertifiedKey::new(vec![made.cert.der().clone()], signing);
    Ok(Arc::clone(MADE.get_or_init(|| Arc::new(made))))
}

/// Lists of revoked certificates.
pub(crate) fn revoked(
    options: &Options,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let Some(path) = &options.crl else {
        return Ok(Vec::new());
    };
    let found: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| Error::Pem {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(Error::Pem {
            path: path.to_owned(),
            why: "it holds no list of revoked certificates (X509 CRL)".to_owned(),
        });
    }
    Ok(found)
}

/// Authorities: as roots, and as they are in the file.
pub(crate) fn authorities(
    path: &Path,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let found = certificates(path)?;
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(found.iter().cloned());
    if good == 0 {
        return Err(Error::Pem {
            path: path.to_owned(),
            why: "none of its certificates can be read".to_owned(),
        });
    }
    Ok((roots, found))
}
