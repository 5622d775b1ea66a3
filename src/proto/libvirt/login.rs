//! Who we are to a daemon, and which of the ways in that it offers is taken. Nothing here prints a password.

use std::fmt;
use std::sync::Arc;

use super::mechanism;
use crate::error::{Code, Error, Result};
use crate::proto::remote::Auth;

/// A text that never shows itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps the text.
    pub fn new(text: &str) -> Self {
        Secret(text.into())
    }

    /// The text, for the wire alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials {
    /// The name that the daemon knows (SASL's authentication identity).
    pub username: Arc<str>,
    /// What goes with it.
    pub password: Secret,
}

impl Credentials {
    /// A name that is there, and a password; neither can hold a NUL (RFC 4616, 5802).
    pub fn new(username: &str, password: &str) -> std::result::Result<Credentials, &'static str> {
        if username.is_empty() {
            return Err("the username is empty");
        }
        if username.contains('\0') || password.contains('\0') {
            return Err("a username or a password contains a NUL");
        }
        Ok(Credentials { username: username.into(), password: Secret::new(password) })
    }
}

/// The one way in that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forced {
    /// SASL, by this mechanism if one is named.
    Sasl(Option<Box<str>>),
    /// polkit.
    Polkit,
}

/// How to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The only way that may be taken; `None`: the daemon's first that can be.
    pub forced: Option<Forced>,
    /// Who we are, or why that is not known.
    pub credentials: std::result::Result<Credentials, Box<str>>,
}

/// A way in that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    Polkit,
    Sasl,
}

impl Login {
    /// Chooses among what the daemon offers. `private`: nobody else can read what goes over the connection.
    pub(super) fn choose(&self, offered: &[Auth], private: bool) -> Result<Way> {
        let names: Vec<String> = offered.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        if let Some(forced) = &self.forced {
            let (auth, way) = match forced {
                Forced::Sasl(_) => (Auth::Sasl, Way::Sasl),
                Forced::Polkit => (Auth::Polkit, Way::Polkit),
            };
            if !offered.contains(&auth) {
                return Err(refused(format!("the URI asks for auth={auth}, the daemon offers {names}")));
            }
            return match self.obstacle(auth, private) {
                None => Ok(way),
                Some(why) => Err(refused(format!("the URI asks for auth={auth}: {why}"))),
            };
        }
        let mut obstacles = Vec::new();
        for auth in offered {
            match (self.obstacle(*auth, private), auth) {
                (Some(why), _) => obstacles.push(why),
                (None, Auth::Sasl) => return Ok(Way::Sasl),
                (None, Auth::Polkit) => return Ok(Way::Polkit),
                (None, _) => return Ok(Way::Open),
            }
        }
        // A daemon that offers nothing wants nothing.
        if obstacles.is_empty() {
            return Ok(Way::Open);
        }
        Err(refused(format!("the daemon asks for authentication by {names}: {}", obstacles.join("; "))))
    }

    /// Why this cannot be done.
    fn obstacle(&self, auth: Auth, private: bool) -> Option<String> {
        match auth {
            Auth::None | Auth::Polkit => None,
            Auth::Other(number) => Some(format!("method {number} is not known here")),
            Auth::Sasl if !mechanism::BUILT => Some("this libqmp was built without SASL".to_owned()),
            // libvirt's own daemon would refuse as well (virNetSASLSessionSecProps).
            Auth::Sasl if !private => Some(
                "over bare TCP libvirt wants SASL to encrypt the connection (a strength of 56 or more), which SCRAM \
                 and PLAIN do not; use qemu+tls or qemu+ssh"
                    .to_owned(),
            ),
            Auth::Sasl => {
                self.credentials.as_ref().err().map(|why| format!("sasl needs a username and a password: {why}"))
            }
        }
    }
}

/// The error of those who are not let in.
pub(super) fn refused(text: String) -> Error {
    Error::new(Code::Auth, text)
}
