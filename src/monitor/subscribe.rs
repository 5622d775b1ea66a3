//! Subscriptions, and the streams to pull events from.

use std::sync::Arc;

use super::hub::Sub;
use super::inside::callback;
use super::stream::Events;
use super::{EventHandler, Monitor, next_id};
use crate::error::{Code, Error, Result};
use crate::events::queue::{Filter, Stream};

impl Monitor {
    /// Calls the handler with each event of this name, or with every event.
    pub fn subscribe(&self, event: Option<&str>, handler: EventHandler) -> Result<u64> {
        // Until it stands in the table the handler is dropped by this function's end, which holds no lock by then.
        let mut handler = Some(handler);
        let subscribed = self.add(event, &mut handler);
        subscribed.map_err(|why| self.named(why, "subscribe"))
    }

    fn add(&self, event: Option<&str>, handler: &mut Option<EventHandler>) -> Result<u64> {
        let filter = filter(event)?;
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let id = next_id();
        mon.subs.extend(handler.take().map(|handler| Sub::new(id, filter, handler)));
        Ok(id)
    }

    /// Ends a subscription, without waiting for a call that is under way in another thread.
    pub fn unsubscribe(&self, id: u64) -> Result<()> {
        let mut shared = self.reactor().lock()?;
        let mon = shared.hub.mon(self)?;
        let Some(at) = mon.subs.iter().position(|sub| sub.id == id) else {
            return Err(self.named(Error::new(Code::InvalidArgument, format!("there is no subscription {id}")), ""));
        };
        let gone = mon.subs.remove(at);
        shared.hub.drop_events(self.key(), id);
        self.reactor().halt_callbacks();
        self.reactor().settle(&mut shared);
        drop(shared);
        // Without a handler in it the callback runs now, and its dispatcher drops it.
        callback(|| drop(gone));
        Ok(())
    }

    /// A stream of the events of this name, or of every event.
    pub fn events(&self, event: Option<&str>) -> Result<Arc<Events>> {
        let filter = filter(event).map_err(|why| self.named(why, "events"))?;
        let mut shared = self.reactor().lock()?;
        shared.hub.mon(self)?;
        let key = shared.hub.streams.insert(Stream::new(self.key(), filter));
        let target = self.target().to_string_lossy().into_owned();
        shared.hub.mon(self)?.extras().streams.push(key);
        Ok(Arc::new(Events::new(Arc::clone(self.reactor()), key, self.key(), self.serial(), target)))
    }
}

fn filter(event: Option<&str>) -> Result<Filter> {
    if event.is_some_and(str::is_empty) {
        return Err(Error::new(Code::InvalidArgument, "the event's name is empty, expected a name, or NULL for all"));
    }
    Ok(Filter::new(event))
}
