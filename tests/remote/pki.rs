//! Certificates of the tests' own: an authority, daemons, clients, and folders that have them as libvirt wants them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::libvirtd::put;

/// An authority.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    serial: SerialNumber,
}

/// Whom a certificate is for, and what may be wrong with it.
#[derive(Clone, Copy)]
pub enum Kind {
    Server,
    Client,
    Expired,
    NotYet,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, kind: Kind, names: &[&str]) -> Identity {
        static SERIAL: AtomicU32 = AtomicU32::new(1);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        // libvirt's own daemon does not start without the second, whatever the key is.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = match kind {
            Kind::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        match kind {
            Kind::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Kind::NotYet => params.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let serial = SerialNumber::from(u64::from(SERIAL.fetch_add(1, Ordering::Relaxed)));
        params.serial_number = Some(serial.clone());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem(), serial }
    }

    /// A list that takes these back.
    pub fn revoke(&self, gone: &[&Identity]) -> String {
        let entry = |identity: &&Identity| RevokedCertParams {
            serial_number: identity.serial.clone(),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: gone.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Identity {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// Makes what a daemon needs to listen for TLS on this port. Returns what it is to be told.
pub fn listening(folder: &Path, authority: &Authority, server: &Identity, port: u16) -> String {
    let (ca, cert) =
        (put(folder, "tls/ca.pem", &authority.pem(), 0o644), put(folder, "tls/cert.pem", &server.certificate, 0o644));
    let key = put(folder, "tls/key.pem", &server.key, 0o600);
    format!("listen_tls = 1\ntls_port = \"{port}\"\nca_file = \"{ca}\"\ncert_file = \"{cert}\"\nkey_file = \"{key}\"\n")
}

/// A folder for the parameter `pkipath`, removed with this.
pub struct Folder(PathBuf);

impl Folder {
    /// One with the certificate of this authority.
    pub fn new(authority: &Authority) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Folder(std::env::temp_dir().join(format!("libqmp-tls-{}-{number}", std::process::id())));
        fs::create_dir_all(&folder.0).unwrap();
        folder.put("cacert.pem", &authority.pem(), 0o644);
        folder
    }

    /// The same with a client's certificate and key.
    pub fn with_client(authority: &Authority, client: &Identity) -> Folder {
        let folder = Folder::new(authority);
        folder.put("clientcert.pem", &client.certificate, 0o644);
        folder.put("clientkey.pem", &client.key, 0o600);
        folder
    }

    pub fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
