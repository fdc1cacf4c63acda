//! TLS by certificate files. They are read again when they change, so that a renewed certificate is
//! shown without a restart.

use crate::clock::Clock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// The files are looked at so often at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// No file of certificates or keys is larger.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[error("{} {what}", path.display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// A certificate and its key, in files.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    clock: Arc<dyn Clock>,
    read: Mutex<Read>,
}

/// What was read last.
struct Read {
    config: Arc<ServerConfig>,
    /// When the two had changed last, as they were read.
    modified: [Option<SystemTime>; 2],
    /// The same of files that could not be used: that is told once.
    refused: Option<[Option<SystemTime>; 2]>,
    looked: Duration,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both.
    ///
    /// # Errors
    /// [`TlsError`] names the file, and what to do.
    pub fn open(certificate: &Path, key: &Path, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let modified = [modified(certificate), modified(key)];
        let config = read(certificate, key)?;
        if let Ok(found) = key.metadata()
            && found.permissions().mode() & 0o077 != 0
        {
            let file = key.display();
            tracing::warn!(%file, "other users can read the private key: `chmod 600` keeps it");
        }
        let read = Mutex::new(Read { config, modified, refused: None, looked: clock.boot() });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), clock, read })
    }

    /// What greets the next connection. Files that changed and cannot be used are told of, and what
    /// was read before goes on.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.boot();
        if now.saturating_sub(last.looked) >= LOOK_AGAIN {
            last.looked = now;
            let modified = [modified(&self.certificate), modified(&self.key)];
            if modified != last.modified {
                // Files that could not be used are tried again: their owner or mode may change next.
                match read(&self.certificate, &self.key) {
                    Ok(config) => {
                        (last.config, last.modified, last.refused) = (config, modified, None);
                        tracing::info!("the certificate was read again");
                    }
                    Err(error) if last.refused != Some(modified) => {
                        last.refused = Some(modified);
                        tracing::warn!(%error, "the certificate of before is kept");
                    }
                    Err(_) => {}
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&last.config))
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |path: &Path, what: String| TlsError { path: path.to_owned(), what };
    let bytes = |path: &Path| {
        let error = |error: std::io::Error| wrong(path, format!("cannot be read: {error}"));
        if path.metadata().map_err(error)?.len() > FILE_BYTES_MAX {
            return Err(wrong(path, "is too large to be a certificate or key".to_owned()));
        }
        std::fs::read(path).map_err(error)
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(certificate, "holds no certificates in PEM".to_owned()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "holds no certificate in PEM".to_owned()));
    }
    // What a key's parser says may repeat it.
    let private = PrivateKeyDer::from_pem_slice(&bytes(key)?)
        .map_err(|_| wrong(key, "holds no private key in PEM".to_owned()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|error| {
        wrong(certificate, format!("and its key cannot be used together: {error}"))
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
