//! Verifies a server's certificate as libpq does, by `sslmode` and `sslrootcert` (manual: SSL Support). It
//! never decides whether TLS is used.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::target::{Mode, Roots, Tls};

/// Returns a connector for TLS with these parameters.
///
/// # Errors
///
/// A certificate or key file is missing or unreadable; as a sentence.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(tls, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &tls.own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificates = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("cannot read the key {}: {error}", key.display()))?;
            config.with_client_auth_cert(certificates, key).map_err(|error| error.to_string())?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Checks a server's certificate.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// The trusted roots; `None` accepts every certificate.
    trust: Option<Trust>,
    /// Whether the certificate must name the host.
    names: bool,
}

#[derive(Debug)]
struct Trust {
    roots: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    fn new(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let must = tls.mode >= Mode::VerifyCa;
        let roots = match &tls.roots {
            Roots::System => Some(rustls_native_certs::load_native_certs().certs),
            Roots::File(file) => Some(certificates(file)?),
            Roots::Usual(file) if file.exists() => Some(certificates(file)?),
            Roots::Usual(file) if must => {
                let file = file.display();
                return Err(format!(
                    "there is no root certificate {file}: set sslrootcert=FILE, or sslrootcert=system"
                ));
            }
            Roots::Usual(_) => None,
        };
        let trust = roots.map(|roots| Trust::new(roots, provider)).transpose()?;
        let names = tls.mode == Mode::VerifyFull;
        Ok(Self { provider: Arc::clone(provider), trust, names })
    }
}

impl Trust {
    fn new(
        roots: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let store = Arc::new(store);
        let chains =
            WebPkiServerVerifier::builder_with_provider(store, Arc::clone(provider)).build();
        let chains = chains.map_err(|error| format!("no root certificate is usable: {error}"))?;
        Ok(Self { roots, chains })
    }

    /// Verifies the chain from the certificate to a trusted root.
    ///
    /// webpki refuses a root as a server's certificate, and the manual's example is one: a self-signed
    /// certificate. It is accepted if its bytes equal a trusted root; webpki has checked the rest, such as
    /// its validity, before it refuses.
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        match self.chains.verify_server_cert(certificate, others, name, &[], now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(why)) if is_about_the_name(&why) => Ok(()),
            Err(Error::InvalidCertificate(why)) if is_about_being_a_root(&why) => {
                let is_ours = self.roots.iter().any(|root| root == certificate);
                let stranger = Error::InvalidCertificate(CertificateError::UnknownIssuer);
                is_ours.then_some(()).ok_or(stranger)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether only the host's name does not match: `sslmode` decides separately whether that counts.
fn is_about_the_name(why: &CertificateError) -> bool {
    matches!(
        why,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

/// Whether the certificate is refused because it is a root. rustls wraps this error of webpki, so
/// that only its text shows it.
fn is_about_being_a_root(why: &CertificateError) -> bool {
    format!("{why:?}").contains("CaUsedAsEndEntity")
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.verify(certificate, others, name, now)?;
        }
        if self.names {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("there is no certificate in the file {}", file.display()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("cannot read the certificate {}: {error}", file.display())),
    }
}
