//! The mechanisms of SASL that we have: SCRAM (RFC 5802, RFC 7677) and PLAIN (RFC 4616). The cryptography is ring's.

use super::login::{Credentials, refused};
use crate::error::Result;
#[cfg(feature = "sasl")]
use crate::error::{Code, Error};

pub(super) use built::Mechanism;
#[cfg(all(test, feature = "sasl"))]
pub(super) use built::{Hash, Scram};

/// Is SASL part of this build?
pub(super) const BUILT: bool = cfg!(feature = "sasl");

/// What we have, the strongest first.
pub(super) const NAMES: [&str; 3] = [SHA256, SHA1, PLAIN];

const SHA256: &str = "SCRAM-SHA-256";
const SHA1: &str = "SCRAM-SHA-1";
/// The password itself.
pub(super) const PLAIN: &str = "PLAIN";

#[cfg(feature = "sasl")]
mod built {
    use std::num::NonZeroU32;
    use std::ops::RangeInclusive;

    use ring::rand::{SecureRandom, SystemRandom};
    use ring::{digest, hmac, pbkdf2};

    use super::super::base64;
    use super::super::login::Secret;
    use super::*;

    /// How often a password may be hashed. RFC 7677 has the least, below which a proof is cheap to guess from; the most is
    /// that of Cyrus SASL, libvirt's library (plugins/scram.c): the reactor waits for it.
    const ITERATIONS: RangeInclusive<u32> = 4096..=65_536;
    /// No channel binding, no other identity (RFC 5802, gs2-header).
    const HEADER: &str = "n,,";
    /// What goes into a nonce, in bytes.
    const RANDOM: usize = 24;

    /// One exchange by one mechanism.
    pub(in super::super) enum Mechanism {
        Scram(Box<Scram>),
        Plain,
    }

    /// The functions of a hash.
    pub(in super::super) struct Hash {
        pub(in super::super) digest: &'static digest::Algorithm,
        pub(in super::super) hmac: hmac::Algorithm,
        pub(in super::super) pbkdf2: pbkdf2::Algorithm,
    }

    /// SCRAM on the client's side.
    pub(in super::super) struct Scram {
        hash: Hash,
        password: Secret,
        nonce: String,
        /// What we said first, without its header.
        first: String,
        /// What the daemon has to sign, and with what.
        expected: Option<(hmac::Key, String)>,
    }

    impl Hash {
        pub(in super::super) fn sha256() -> Hash {
            Hash { digest: &digest::SHA256, hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 }
        }

        pub(in super::super) fn sha1() -> Hash {
            Hash {
                digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
                hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
            }
        }

        pub(in super::super) fn hmac(&self, key: &[u8], text: &[u8]) -> hmac::Tag {
            hmac::sign(&hmac::Key::new(self.hmac, key), text)
        }

        /// The password as it is used, RFC 5802's SaltedPassword.
        pub(in super::super) fn salted(&self, password: &str, salt: &[u8], count: NonZeroU32) -> Vec<u8> {
            let mut salted = vec![0; self.digest.output_len()];
            pbkdf2::derive(self.pbkdf2, count, salt, password.as_bytes(), &mut salted);
            salted
        }
    }

    impl Mechanism {
        /// The exchange, and what opens it. `name` is one of [`NAMES`].
        pub(in super::super) fn begin(name: &str, credentials: &Credentials) -> Result<(Mechanism, Vec<u8>)> {
            let hash = match name {
                SHA256 => Hash::sha256(),
                SHA1 => Hash::sha1(),
                _ => {
                    let (user, password) = (&credentials.username, credentials.password.expose());
                    return Ok((Mechanism::Plain, format!("\0{user}\0{password}").into_bytes()));
                }
            };
            let mut random = [0; RANDOM];
            SystemRandom::new()
                .fill(&mut random)
                .map_err(|_| Error::new(Code::System, "the system gives no random bytes for a nonce"))?;
            let scram = Scram::new(hash, credentials, base64::encode(&random));
            let first = format!("{HEADER}{}", scram.first);
            Ok((Mechanism::Scram(Box::new(scram)), first.into_bytes()))
        }

        /// Does the daemon have to prove that it knows the password?
        pub(in super::super) fn is_mutual(&self) -> bool {
            matches!(self, Mechanism::Scram(_))
        }

        /// The answer to what the daemon said first.
        pub(in super::super) fn challenged(&mut self, text: &[u8]) -> Result<Vec<u8>> {
            match self {
                Mechanism::Scram(scram) => scram.challenged(text),
                Mechanism::Plain => Err(malformed("PLAIN has one message")),
            }
        }

        /// Looks at the daemon's own proof.
        pub(in super::super) fn verify(&mut self, text: &[u8]) -> Result<()> {
            match self {
                Mechanism::Scram(scram) => scram.verify(text),
                Mechanism::Plain => Err(malformed("PLAIN has one message")),
            }
        }
    }

    impl Scram {
        pub(in super::super) fn new(hash: Hash, credentials: &Credentials, nonce: String) -> Scram {
            // Commas are between the parts of a message.
            let user = credentials.username.replace('=', "=3D").replace(',', "=2C");
            let first = format!("n={user},r={nonce}");
            Scram { hash, password: credentials.password.clone(), nonce, first, expected: None }
        }

        pub(in super::super) fn challenged(&mut self, text: &[u8]) -> Result<Vec<u8>> {
            let text = std::str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
            let (nonce, salt, count) = read_challenge(text)?;
            if nonce.strip_prefix(self.nonce.as_str()).is_none_or(str::is_empty) {
                return Err(malformed("its nonce does not begin with ours"));
            }
            let salted = self.hash.salted(self.password.expose(), &salt, count);
            let client = self.hash.hmac(&salted, b"Client Key");
            let stored = digest::digest(self.hash.digest, client.as_ref());
            let bare = format!("c={},r={nonce}", base64::encode(HEADER.as_bytes()));
            let message = format!("{},{text},{bare}", self.first);
            let signature = self.hash.hmac(stored.as_ref(), message.as_bytes());
            let proof: Vec<u8> = client.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
            let server = self.hash.hmac(&salted, b"Server Key");
            self.expected = Some((hmac::Key::new(self.hash.hmac, server.as_ref()), message));
            Ok(format!("{bare},p={}", base64::encode(&proof)).into_bytes())
        }

        pub(in super::super) fn verify(&mut self, text: &[u8]) -> Result<()> {
            let text = std::str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
            let first = text.split(',').next().unwrap_or_default();
            if let Some(why) = first.strip_prefix("e=") {
                let why: String = why.chars().take(100).collect();
                return Err(refused(format!("the daemon refuses our login: {}", why.escape_default())));
            }
            let signature = first.strip_prefix("v=").and_then(|text| base64::decode(text.as_bytes()));
            let signature = signature.ok_or_else(|| malformed("expected a signature"))?;
            let verified = self
                .expected
                .take()
                .is_some_and(|(key, message)| hmac::verify(&key, message.as_bytes(), &signature).is_ok());
            if verified {
                return Ok(());
            }
            Err(refused("the daemon does not know the password: its signature is wrong".to_owned()))
        }
    }

    /// The nonce, the salt and the count. Extensions that may be ignored may follow.
    fn read_challenge(text: &str) -> Result<(&str, Vec<u8>, NonZeroU32)> {
        let mut parts = text.split(',');
        let mut next = |head: &str| parts.next().and_then(|part| part.strip_prefix(head));
        let (Some(nonce), Some(salt), Some(count)) = (next("r="), next("s="), next("i=")) else {
            return Err(malformed("expected a nonce, a salt and a count"));
        };
        let salt = base64::decode(salt.as_bytes()).filter(|salt| !salt.is_empty());
        let salt = salt.ok_or_else(|| malformed("its salt is none"))?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed("its count is no number"));
        }
        let number = count.parse().ok().filter(|number: &NonZeroU32| ITERATIONS.contains(&number.get()));
        let number = number.ok_or_else(|| {
            let (least, most) = (ITERATIONS.start(), ITERATIONS.end());
            refused(format!(
                "the daemon wants the password hashed {count:.20} times, SCRAM here does {least} to {most}"
            ))
        })?;
        Ok((nonce, salt, number))
    }

    fn malformed(why: &str) -> Error {
        Error::new(Code::Protocol, format!("the daemon's part of SASL is malformed: {why}"))
    }
}

#[cfg(not(feature = "sasl"))]
mod built {
    use super::*;

    /// There is none.
    pub(in super::super) enum Mechanism {}

    impl Mechanism {
        pub(in super::super) fn begin(_: &str, _: &Credentials) -> Result<(Mechanism, Vec<u8>)> {
            Err(refused("this libqmp was built without SASL".to_owned()))
        }

        pub(in super::super) fn is_mutual(&self) -> bool {
            match *self {}
        }

        pub(in super::super) fn challenged(&mut self, _: &[u8]) -> Result<Vec<u8>> {
            match *self {}
        }

        pub(in super::super) fn verify(&mut self, _: &[u8]) -> Result<()> {
            match *self {}
        }
    }
}
