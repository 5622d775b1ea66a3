//! The files of TLS: where libvirt has them, and what is in them (libvirt: docs/kbase/tlscerts).

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::error::{Code, Error, Result};
use crate::target::uri::transport::Tls;

/// Bits of a file's mode: somebody else may read it, or write to it.
const OTHERS: u32 = 0o077;

/// Where each file is; those that may be missing are looked for.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) crl: Option<PathBuf>,
    /// The client's certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl Files {
    pub(super) fn find(tls: &Tls) -> Files {
        if let Some(folder) = &tls.pkipath {
            return Files::flat(Path::new(&**folder));
        }
        let system = Files {
            ca: "/etc/pki/CA/cacert.pem".into(),
            crl: there("/etc/pki/CA/cacrl.pem".into()),
            client: both("/etc/pki/libvirt/clientcert.pem".into(), "/etc/pki/libvirt/private/clientkey.pem".into()),
        };
        let home = env::var_os("HOME").filter(|home| !home.is_empty() && !crate::sys::is_root());
        let Some(home) = home else { return system };
        // The user's own come first, each by itself; certificate and key only as a pair.
        let own = Files::flat(&Path::new(&home).join(".pki/libvirt"));
        Files {
            ca: there(own.ca).unwrap_or(system.ca),
            crl: own.crl.or(system.crl),
            client: own.client.or(system.client),
        }
    }

    /// All of them in one folder.
    fn flat(folder: &Path) -> Files {
        Files {
            ca: folder.join("cacert.pem"),
            crl: there(folder.join("cacrl.pem")),
            client: both(folder.join("clientcert.pem"), folder.join("clientkey.pem")),
        }
    }
}

fn there(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

fn both(certificate: PathBuf, key: PathBuf) -> Option<(PathBuf, PathBuf)> {
    // One without the other is a mistake that reading it will tell.
    (certificate.exists() || key.exists()).then_some((certificate, key))
}

/// The certificates in a file, at least one.
pub(super) fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(path, what)?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(path, what, "holds no certificate in PEM form")),
        Err(why) => Err(bad(path, what, &format!("is not in PEM form: {why:?}"))),
    }
}

/// The revocation lists in a file.
pub(super) fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let what = "the revocation list";
    let text = read(path, what)?;
    let found: std::result::Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    found.map_err(|why| bad(path, what, &format!("is not in PEM form: {why:?}")))
}

/// The private key in a file that nobody else may read.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let what = "the client's key";
    let text = read(path, what)?;
    let mode = fs::metadata(path).map_or(0, |meta| meta.mode());
    if mode & OTHERS != 0 {
        return Err(bad(path, what, &format!("can be read by others (mode {:03o}), expected 600", mode & 0o777)));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|why| bad(path, what, &format!("holds no key in PEM form: {why:?}")))
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|why| Error::from_io(Code::Auth, format!("{what} cannot be read: {}", path.display()), &why))
}

/// An error that names the file.
pub(super) fn bad(path: &Path, what: &str, why: &str) -> Error {
    Error::new(Code::Auth, format!("{what} {} {why}", path.display()))
}
