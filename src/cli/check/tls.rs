//! Encrypts a connection as libpq does, with the library that libpq is made of (manual: SSL Support). It never
//! decides whether TLS is used.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslVerifyMode, SslVersion,
};
use openssl::x509::store::X509Lookup;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509Ref, X509VerifyResult};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::names::Names;
use super::target::{Mode, Own, Protocol, Revoked, Roots, Tls};

/// PostgreSQL's name in the negotiation of the application's protocol, behind its length.
const PROTOCOL: &[u8] = b"\x0apostgresql";

/// An encrypted connection, and the hash of the server's certificate for channel binding.
type Encrypted = (Box<SslStream<TcpStream>>, Option<Vec<u8>>);

/// Encrypts a connection. `host` is the name of the server, empty where only its address is known.
///
/// # Errors
///
/// A file is missing or unusable, or one side refuses the other; as a sentence.
pub(super) async fn encrypt(stream: TcpStream, tls: &Tls, host: &str) -> Result<Encrypted, String> {
    let context = context(tls)?;
    let unusable = |error: ErrorStack| format!("starting TLS: {}", reason(&error));
    let mut ssl = Ssl::new(&context).map_err(unusable)?;
    let is_number =
        host.contains(':') || host.chars().all(|one| one == '.' || one.is_ascii_digit());
    if tls.tells_name && !is_number {
        ssl.set_hostname(host).map_err(unusable)?;
    }
    if tls.is_direct {
        ssl.set_alpn_protos(PROTOCOL).map_err(unusable)?;
    }
    let mut stream = Box::new(SslStream::new(ssl, stream).map_err(unusable)?);
    if let Err(error) = Pin::new(stream.as_mut()).connect().await {
        return Err(refusal(&stream, &error));
    }
    if let Err(why) = is_as_required(&stream, tls, host) {
        let _ = stream.shutdown().await;
        return Err(why);
    }
    let certificate = stream.ssl().peer_certificate();
    let hash = certificate.as_deref().and_then(end_point);
    Ok((stream, hash))
}

/// Returns what is used for every connection with these parameters.
fn context(tls: &Tls) -> Result<SslContext, String> {
    let unusable = |error: ErrorStack| format!("starting TLS: {}", reason(&error));
    let mut context = SslContext::builder(SslMethod::tls_client()).map_err(unusable)?;
    let (minimum, maximum) = tls.versions;
    context.set_min_proto_version(minimum.map(version)).map_err(unusable)?;
    context.set_max_proto_version(maximum.map(version)).map_err(unusable)?;
    trust(&mut context, tls)?;
    if let Some(own) = &tls.own {
        present(&mut context, own)?;
    }
    Ok(context.build())
}

/// Sets what the server's certificate is verified with. As in libpq, a file of roots that does not exist means that
/// nothing is verified, unless `sslmode` requires it.
fn trust(context: &mut SslContextBuilder, tls: &Tls) -> Result<(), String> {
    match &tls.roots {
        Roots::System => context.set_default_verify_paths().map_err(|error| {
            format!("reading the system's root certificates: {}", reason(&error))
        })?,
        Roots::File(file) if file.exists() => {
            context
                .set_ca_file(file)
                .map_err(|error| unreadable("root certificate", file, &error))?;
            revoke(context, &tls.revoked)?;
        }
        Roots::File(file) if tls.mode >= Mode::VerifyCa => {
            let file = file.display();
            return Err(format!(
                "there is no root certificate {file}: set sslrootcert=FILE, or sslrootcert=system"
            ));
        }
        Roots::File(_) => {
            context.set_verify(SslVerifyMode::NONE);
            return Ok(());
        }
    }
    context.set_verify(SslVerifyMode::PEER);
    Ok(())
}

/// Loads the lists of revoked certificates. libpq connects without them where they cannot be read; here it is an
/// error, because a list is there to restrict.
fn revoke(context: &mut SslContextBuilder, revoked: &Revoked) -> Result<(), String> {
    let (file, directory) = match revoked {
        Revoked::Usual(file) if !file.exists() => return Ok(()),
        Revoked::Usual(file) => (Some(file), None),
        Revoked::Named { file, directory } => (file.as_ref(), directory.as_ref()),
    };
    let store = context.cert_store_mut();
    let failed = |path: &Path, error: &ErrorStack| unreadable("revocation list", path, error);
    if let Some(file) = file {
        let lookup = store.add_lookup(X509Lookup::file()).map_err(|error| failed(file, &error))?;
        lookup.load_crl_file(file, SslFiletype::PEM).map_err(|error| failed(file, &error))?;
    }
    if let Some(directory) = directory {
        let name = directory.to_string_lossy();
        let added = store
            .add_lookup(X509Lookup::hash_dir())
            .and_then(|lookup| lookup.add_dir(&name, SslFiletype::PEM));
        added.map_err(|error| failed(directory, &error))?;
    }
    let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
    store.set_flags(flags).map_err(|error| format!("starting TLS: {}", reason(&error)))
}

/// Sets the client's certificate and key, if the certificate exists.
fn present(context: &mut SslContextBuilder, own: &Own) -> Result<(), String> {
    match fs::metadata(&own.certificate) {
        Ok(_) => {}
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(());
        }
        Err(error) => {
            let file = own.certificate.display();
            return Err(format!("cannot read the certificate {file}: {error}"));
        }
    }
    context
        .set_certificate_chain_file(&own.certificate)
        .map_err(|error| unreadable("certificate", &own.certificate, &error))?;
    let key = key(own)?;
    let mismatch = |error: ErrorStack| {
        let (certificate, key) = (own.certificate.display(), own.key.display());
        format!("the certificate {certificate} and the key {key}: {}", reason(&error))
    };
    context.set_private_key(&key).map_err(mismatch)?;
    context.check_private_key().map_err(mismatch)
}

/// Reads the client's key; others must not have access to it.
fn key(own: &Own) -> Result<PKey<Private>, String> {
    let file = own.key.display();
    if own.key.to_string_lossy().contains(':') {
        return Err(format!("sslkey={file}: a key in an engine is not supported here"));
    }
    let about = fs::metadata(&own.key);
    let about =
        about.map_err(|error| format!("there is a certificate, but no key {file}: {error}"))?;
    if !about.is_file() {
        return Err(format!("the key {file} is not a file"));
    }
    let others = if about.uid() == 0 { 0o037 } else { 0o077 };
    if about.mode() & others != 0 {
        return Err(format!("others have access to the key {file}: chmod 600 it"));
    }
    let bytes =
        fs::read(&own.key).map_err(|error| format!("cannot read the key {file}: {error}"))?;
    let password = |buffer: &mut [u8]| {
        let length = own.password.len().min(buffer.len());
        let (given, _) = own.password.as_bytes().split_at(length);
        buffer.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        Ok(length)
    };
    PKey::private_key_from_pem_callback(&bytes, password)
        .or_else(|error| PKey::private_key_from_der(&bytes).map_err(|_| error))
        .map_err(|error| unreadable("key", &own.key, &error))
}

/// Checks what libpq checks after the handshake.
fn is_as_required(stream: &SslStream<TcpStream>, tls: &Tls, host: &str) -> Result<(), String> {
    let ssl = stream.ssl();
    if tls.is_direct && ssl.selected_alpn_protocol() != PROTOCOL.get(1..) {
        return Err("the server does not take part in sslnegotiation=direct".to_owned());
    }
    if tls.mode < Mode::VerifyFull {
        return Ok(());
    }
    if host.is_empty() {
        return Err("sslmode=verify-full needs the name of the host: set host".to_owned());
    }
    let names = ssl.peer_certificate().map(|certificate| names(&certificate)).unwrap_or_default();
    match names.fit(host) {
        true => Ok(()),
        false => Err(format!("{names}, not for the host {host:?}")),
    }
}

fn names(certificate: &X509Ref) -> Names {
    let mut names = Names::default();
    for name in certificate.subject_alt_names().iter().flatten() {
        names.hosts.extend(name.dnsname().map(str::to_owned));
        names.addresses.extend(name.ipaddress().map(<[u8]>::to_vec));
    }
    let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next();
    names.common =
        common.map(|entry| String::from_utf8_lossy(entry.data().as_slice()).into_owned());
    names
}

/// Returns the hash of a certificate that channel binding uses: by the hash of its signature, SHA-256 instead of
/// MD5 and SHA-1.
fn end_point(certificate: &X509Ref) -> Option<Vec<u8>> {
    let signature = certificate.signature_algorithm().object().nid();
    let digest = match signature.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        digest => MessageDigest::from_nid(digest)?,
    };
    certificate.digest(digest).ok().map(|hash| hash.to_vec())
}

fn version(version: Protocol) -> SslVersion {
    match version {
        Protocol::Tls10 => SslVersion::TLS1,
        Protocol::Tls11 => SslVersion::TLS1_1,
        Protocol::Tls12 => SslVersion::TLS1_2,
        Protocol::Tls13 => SslVersion::TLS1_3,
    }
}

/// Returns why a handshake failed: the certificate was not trusted, or one side refused.
fn refusal(stream: &SslStream<TcpStream>, error: &openssl::ssl::Error) -> String {
    let verified = stream.ssl().verify_result();
    if verified != X509VerifyResult::OK {
        return format!("the server's certificate is not trusted: {}", verified.error_string());
    }
    match (error.ssl_error(), error.io_error()) {
        (Some(stack), _) => format!("the TLS handshake failed: {}", reason(stack)),
        (None, Some(broken)) => format!("the TLS handshake failed: {broken}"),
        (None, None) => "the TLS handshake failed: the server closes the connection".to_owned(),
    }
}

fn unreadable(what: &str, file: &Path, error: &ErrorStack) -> String {
    format!("cannot read the {what} {}: {}", file.display(), reason(error))
}

/// Returns the first reason of the library, without its codes.
fn reason(stack: &ErrorStack) -> String {
    let first = stack.errors().first();
    first.and_then(openssl::error::Error::reason).unwrap_or("unknown error").to_owned()
}
