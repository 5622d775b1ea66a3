//! A login by SASL (RFC 4422) as libvirt carries it: a mechanism is chosen from the daemon's list, then each side says
//! its part until the daemon is satisfied. We are satisfied only by its proof, whatever it says of itself.

use std::fmt;

use super::login::{Forced, Login, refused};
use super::mechanism::{self, Mechanism, NAMES};
use crate::error::{Code, Error, Result};
use crate::proto::remote::{MAX_SASL, SaslAnswer};

/// So much of a list that a daemon sent stands in a message.
const SHOWN: usize = 200;

/// An exchange that is under way.
pub(super) struct Exchange {
    /// The name of the mechanism.
    pub name: &'static str,
    mechanism: Mechanism,
    expects: Expects,
}

/// What the daemon's next answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// Its challenge.
    Challenge,
    /// Its proof that it knows the password.
    Proof,
    /// That it is satisfied.
    Outcome,
}

/// How it goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This is to be sent.
    Send(Vec<u8>),
    /// Both sides are satisfied.
    Done,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("name", &self.name).field("expects", &self.expects).finish_non_exhaustive()
    }
}

impl Exchange {
    /// Chooses a mechanism from the daemon's list. Gives what to send first.
    pub(super) fn begin(offered: &[u8], login: &Login) -> Result<(Exchange, Vec<u8>)> {
        let credentials = login.credentials.as_ref().map_err(|why| refused(why.to_string()))?;
        let name = choose(offered, login)?;
        let (mechanism, first) = Mechanism::begin(name, credentials)?;
        if first.len() > MAX_SASL {
            let text = format!("username and password take {} bytes, libvirt allows {MAX_SASL}", first.len());
            return Err(Error::new(Code::Limit, text));
        }
        let expects = if mechanism.is_mutual() { Expects::Challenge } else { Expects::Outcome };
        Ok((Exchange { name, mechanism, expects }, first))
    }

    /// The daemon has answered.
    pub(super) fn answer(&mut self, answer: &SaslAnswer) -> Result<Next> {
        match (self.expects, answer.complete, &answer.data) {
            (Expects::Challenge, false, Some(challenge)) => {
                let proof = self.mechanism.challenged(challenge)?;
                self.expects = Expects::Proof;
                Ok(Next::Send(proof))
            }
            (Expects::Proof, complete, Some(proof)) => {
                self.mechanism.verify(proof)?;
                self.expects = Expects::Outcome;
                Ok(if complete { Next::Done } else { Next::Send(Vec::new()) })
            }
            (Expects::Outcome, true, _) => Ok(Next::Done),
            (_, true, _) => {
                let text = "the daemon lets us in without having shown that it knows the password";
                Err(refused(format!("{text} ({})", self.name)))
            }
            (_, false, _) => {
                let text = format!("the daemon's part of {} is missing, or more than there is", self.name);
                Err(Error::new(Code::Protocol, text))
            }
        }
    }

    /// A text of the daemon's, unless it repeats the password that PLAIN has told it.
    pub(super) fn shown(&self, text: &str, login: &Login) -> String {
        let password = login.credentials.as_ref().map_or("", |credentials| credentials.password.expose());
        if self.name == mechanism::PLAIN && !password.is_empty() && text.contains(password) {
            return "(its text repeats the password, and is left out)".to_owned();
        }
        text.to_owned()
    }
}

fn choose(offered: &[u8], login: &Login) -> Result<&'static str> {
    let list = String::from_utf8_lossy(offered);
    let offers = |name: &str| list.split(',').any(|other| other.trim().eq_ignore_ascii_case(name));
    let shown = || list.chars().take(SHOWN).collect::<String>().escape_default().to_string();
    let ours = || NAMES.join(", ");
    if let Some(Forced::Sasl(Some(wanted))) = &login.forced {
        let Some(name) = NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(wanted)) else {
            let text = format!("the URI asks for auth=sasl.{wanted}, this libqmp does {}", ours());
            return Err(refused(format!("{text}; the daemon offers {}", shown())));
        };
        return if offers(name) {
            Ok(name)
        } else {
            Err(refused(format!("the URI asks for auth=sasl.{name}, the daemon offers {}", shown())))
        };
    }
    NAMES.into_iter().find(|name| offers(name)).ok_or_else(|| {
        refused(format!("the daemon offers the SASL mechanisms {}, this libqmp does {}", shown(), ours()))
    })
}
