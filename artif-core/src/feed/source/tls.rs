//! Whom the fetcher believes to be who they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::Failure;

/// How the two sides show who they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Believe any certificate.
    pub(crate) unverified: bool,
    /// Our certificate and its key, in PEM.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// A configuration that authenticates servers, with the crypto provider handed over instead of
/// installed for the whole process; and why it cannot, where there are no roots to trust.
///
/// `roots` stand in place of the system's; the certificates in `ca_file` are trusted beside them.
pub(super) fn config(
    roots: Option<RootCertStore>,
    ca_file: Option<&Path>,
) -> Result<(ClientConfig, Option<String>), Failure> {
    config_as(roots, ca_file, &Identity::default())
}

/// The same, showing a certificate of our own, or believing every server, where that is asked for.
pub(super) fn config_as(
    roots: Option<RootCertStore>,
    ca_file: Option<&Path>,
    identity: &Identity,
) -> Result<(ClientConfig, Option<String>), Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::for_good(format!("no TLS: {error}")))?;
    let extra = ca_file.map_or(Ok(Vec::new()), certificates)?;
    let mut problem = None;
    let builder = if identity.unverified {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(provider)))
    } else if let Some(roots) = roots {
        builder.with_root_certificates(roots)
    } else {
        match Verifier::new_with_extra_roots(extra.iter().cloned(), provider) {
            Ok(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Err(error) => {
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(extra);
                if added == 0 {
                    problem = Some(format!("{error}; install the system's CA certificates"));
                }
                builder.with_root_certificates(roots)
            }
        }
    };
    let mut config = match &identity.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let failed = |error: &dyn std::fmt::Display| {
                Failure::for_good(format!(
                    "the client certificate's key {}: {error}",
                    key.display()
                ))
            };
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(&error))?;
            let chain = certificates(chain)?;
            builder.with_client_auth_cert(chain, private).map_err(|error| failed(&error))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, problem))
}

/// Believes every certificate; handshakes are still checked to be the certificate holder's.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed =
        |reason: String| Failure::for_good(format!("certificates in {}: {reason}", path.display()));
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if read.is_empty() {
        return Err(failed("holds no certificate in PEM form".to_owned()));
    }
    Ok(read)
}
