//! Asking the application for a name and a password, before a link to a libvirt daemon is looked for.

use std::sync::Arc;

use super::inside::callback;
use super::{Monitor, State};
use crate::error::{Code, Error, Result};
use crate::proto::libvirt::{Credentials, Secret};
use crate::target::Target;

/// Asked for credentials while connecting. `false`: it gives up. It may run in several threads at once.
pub type CredentialsHandler = Arc<dyn Fn(&Arc<Monitor>, &mut Given) -> bool + Send + Sync>;

/// What a handler has to say.
#[derive(Debug, Default)]
pub struct Given {
    username: Option<Secret>,
    password: Option<Secret>,
}

impl Given {
    /// Takes down the `username` or the `password`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let place = match name {
            "username" => &mut self.username,
            "password" => &mut self.password,
            _ => {
                let text = format!("there are no credentials \"{name}\", expected username or password");
                return Err(Error::new(Code::InvalidArgument, text));
            }
        };
        *place = Some(Secret::new(value));
        Ok(())
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let bad = |why: &str| Error::new(Code::InvalidArgument, format!("the credentials callback: {why}"));
        match (&self.username, &self.password) {
            (None, None) => Ok(None),
            (Some(username), Some(password)) => {
                Credentials::new(username.expose(), password.expose()).map(Some).map_err(bad)
            }
            _ => Err(bad("expected both a username and a password, or none")),
        }
    }
}

/// Counts a handler that runs, so that freeing waits for it; uncounts it whatever happens.
struct Asking<'a>(&'a Monitor);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut shared = self.0.reactor().lock_to_end();
        let serial = self.0.serial();
        if let Some(mon) = shared.hub.mons.get_mut(self.0.key()).filter(|mon| mon.serial == serial) {
            let extras = mon.extras();
            extras.asking = extras.asking.saturating_sub(1);
        }
        self.0.reactor().tell_waiters(&shared);
    }
}

impl Monitor {
    /// Has the handler asked for credentials at each connect, where no option says who logs in.
    pub fn set_credentials(&self, handler: CredentialsHandler) -> Result<()> {
        // The one that goes is dropped at the end, when no lock is held: the one before, or the new one on failure.
        let mut gone = Some(handler);
        let set = self.exchange_handler(&mut gone);
        callback(|| drop(gone));
        set.map_err(|why| self.named(why, "credentials"))
    }

    fn exchange_handler(&self, handler: &mut Option<CredentialsHandler>) -> Result<()> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        if matches!(mon.state, State::Connecting | State::Connected) {
            return Err(Error::new(Code::State, "credentials can be set only while the monitor is not connected"));
        }
        std::mem::swap(&mut mon.extras().credentials, handler);
        Ok(())
    }

    /// The credentials that the application's handler gives. `None`: nobody is to be asked, or it has none.
    pub(super) fn ask(&self, target: &Target) -> Result<Option<Credentials>> {
        let mut shared = self.reactor().lock()?;
        let mon = self.idle(&mut shared)?;
        if !target.is_libvirt() || mon.options.credentials()?.is_some() {
            return Ok(None);
        }
        let handle = mon.handle.upgrade();
        let Some(extras) = &mut mon.extras else { return Ok(None) };
        let (Some(handler), Some(handle)) = (extras.credentials.clone(), handle) else { return Ok(None) };
        extras.asking += 1;
        drop(shared);
        let mut given = Given::default();
        let asking = Asking(self);
        let answered = callback(|| {
            let answered = handler(&handle, &mut given);
            // It may have been replaced meanwhile: then this was the last share in it.
            drop(handler);
            answered
        });
        drop(asking);
        if !answered {
            return Err(Error::new(Code::Canceled, "the credentials callback gave up"));
        }
        given.credentials()
    }
}
