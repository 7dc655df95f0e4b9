//! Certificates of servers and of a client, made for one run. It connects to nothing.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::{X509, X509NameBuilder};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use crate::support::Outcome;

/// The name of the host in the certificates of servers.
pub(super) const HOST: &str = "db.lab";
/// The password of the client's locked key.
pub(super) const LOCK: &str = "key-secret";

/// Certificates and keys, as PEM.
pub(super) struct Keys {
    pub(super) root: String,
    pub(super) stranger: String,
    /// A server's certificate by the manual's recipe: X.509 version 1, with the host as its common name.
    pub(super) old: (String, String),
    /// A server's certificate of version 3, with the host as an alternative name; it is revoked.
    pub(super) new: (String, String),
    pub(super) revoked: String,
    pub(super) client: (String, String),
    /// The client's key, encrypted with [`LOCK`].
    pub(super) locked: String,
}

impl Keys {
    pub(super) fn make() -> Outcome<Self> {
        let (root, stranger) = (authority("root")?, authority("stranger")?);
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(vec![HOST.to_owned()])?;
        let serial = SerialNumber::from(7_u64);
        server.serial_number = Some(serial.clone());
        let new = (server.signed_by(&key, &root)?.pem(), key.serialize_pem());
        let revoked = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: serial,
                revocation_time: date_time_ymd(2021, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let revoked = revoked.signed_by(&root)?.pem()?;
        let key = KeyPair::generate()?;
        let mut client = CertificateParams::new(Vec::new())?;
        client.distinguished_name.push(DnType::CommonName, "certified");
        let client = (client.signed_by(&key, &root)?.pem(), key.serialize_pem());
        let locked = PKey::private_key_from_pem(client.1.as_bytes())?
            .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), LOCK.as_bytes())?;
        Ok(Self {
            old: version_1(&root)?,
            root: root.pem(),
            stranger: stranger.pem(),
            new,
            revoked,
            client,
            locked: String::from_utf8(locked)?,
        })
    }
}

fn authority(name: &str) -> Outcome<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

/// Makes what `openssl x509 -req` makes without extensions: a certificate of version 1.
fn version_1(root: &CertifiedIssuer<'static, KeyPair>) -> Outcome<(String, String)> {
    let key = PKey::from_rsa(Rsa::generate(2048)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", HOST)?;
    let (begin, end) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(30)?);
    let (number, issuer) =
        (BigNum::from_u32(1)?.to_asn1_integer()?, X509::from_pem(root.pem().as_bytes())?);
    let mut certificate = X509::builder()?;
    certificate.set_version(0)?;
    certificate.set_serial_number(&number)?;
    certificate.set_subject_name(&name.build())?;
    certificate.set_issuer_name(issuer.subject_name())?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&begin)?;
    certificate.set_not_after(&end)?;
    let signer = PKey::private_key_from_pem(root.key().serialize_pem().as_bytes())?;
    certificate.sign(&signer, MessageDigest::sha256())?;
    let certificate = certificate.build().to_pem()?;
    Ok((String::from_utf8(certificate)?, String::from_utf8(key.private_key_to_pem_pkcs8()?)?))
}
