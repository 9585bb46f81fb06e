//! Whom the fetcher believes to be who they say.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::Failure;

/// A configuration that authenticates servers, with the crypto provider handed over instead of
/// installed for the whole process; and why it cannot, where there are no roots to trust.
///
/// `roots` stand in place of the system's; the certificates in `ca_file` are trusted beside them.
pub(super) fn config(
    roots: Option<RootCertStore>,
    ca_file: Option<&Path>,
) -> Result<(ClientConfig, Option<String>), Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::for_good(format!("no TLS: {error}")))?;
    let extra = ca_file.map_or(Ok(Vec::new()), certificates)?;
    let mut problem = None;
    let trusting = |roots| builder.clone().with_root_certificates(roots).with_no_client_auth();
    let mut config = match roots {
        Some(roots) => trusting(roots),
        None => match Verifier::new_with_extra_roots(extra.iter().cloned(), provider) {
            Ok(verifier) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth(),
            Err(error) => {
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(extra);
                if added == 0 {
                    problem = Some(format!("{error}; install the system's CA certificates"));
                }
                trusting(roots)
            }
        },
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, problem))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed =
        |reason: String| Failure::for_good(format!("`fetch.ca_file` {}: {reason}", path.display()));
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if read.is_empty() {
        return Err(failed("holds no certificate in PEM form".to_owned()));
    }
    Ok(read)
}
