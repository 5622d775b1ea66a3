//! The bounds of a queue of events, and the account of what did not fit.

use std::collections::VecDeque;

use super::own;
use crate::sys::buffer::Buffer;
use crate::sys::event_fd::EventFd;

/// Which events are wanted: one name, or all.
#[derive(Clone, Debug)]
pub struct Filter(Option<Box<str>>);

impl Filter {
    /// One name, or all.
    pub fn new(name: Option<&str>) -> Self {
        Filter(name.map(Box::from))
    }

    /// Does an event of this name pass?
    pub fn passes(&self, name: &[u8]) -> bool {
        self.0.as_deref().is_none_or(|wanted| wanted.as_bytes() == name)
    }
}

/// How much may wait for a reader.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// At most this many events.
    pub events: usize,
    /// At most this many bytes of JSON.
    pub bytes: usize,
}

/// What waits now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    events: usize,
    bytes: usize,
}

impl Load {
    /// Takes an event of this size in, if it fits.
    pub fn admit(&mut self, len: usize, bounds: Bounds) -> bool {
        let fits = self.events < bounds.events && self.bytes.saturating_add(len) <= bounds.bytes;
        if fits {
            self.enter(1, len);
        }
        fits
    }

    /// Takes so many events of so many bytes in, whether they fit or not.
    pub fn enter(&mut self, events: usize, bytes: usize) {
        self.events += events;
        self.bytes += bytes;
    }

    /// So many events of so many bytes have left.
    pub fn leave(&mut self, events: usize, bytes: usize) {
        self.events = self.events.saturating_sub(events);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Events that were dropped in one place: how many, if anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss(Option<u64>);

impl Loss {
    /// So many, or nobody knows how many.
    pub fn new(count: Option<u64>) -> Self {
        Loss(count)
    }

    /// More in the same place.
    pub fn add(&mut self, more: Loss) {
        self.0 = self.0.zip(more.0).map(|(a, b)| a.saturating_add(b));
    }

    /// The event that tells it.
    pub fn json(self) -> Vec<u8> {
        own::lost(self.0)
    }
}

/// The events that wait in a stream.
#[derive(Debug)]
pub struct Stream {
    /// The number of the monitor it belongs to.
    pub monitor: usize,
    filter: Filter,
    items: VecDeque<Item>,
    load: Load,
    /// The readers that wait for an item.
    pub seats: Vec<usize>,
    /// Shows whether [`Stream::take`] or an error would come at once.
    pub fd: Option<EventFd>,
    /// Nothing is put in any more.
    pub closed: bool,
}

#[derive(Debug)]
enum Item {
    /// The flag tells one that counts against the bounds.
    Event(Buffer, bool),
    Lost(Loss),
}

impl Stream {
    /// An empty stream.
    pub fn new(monitor: usize, filter: Filter) -> Self {
        let items = VecDeque::new();
        Stream { monitor, filter, items, load: Load::default(), seats: Vec::new(), fd: None, closed: false }
    }

    /// Puts an event at the end, if it is wanted; or the fact that it did not fit. `own`: it is one of ours, which is always
    /// wanted and always fits. Tells whether anything was put.
    pub fn push(&mut self, name: &[u8], json: &[u8], own: bool, bounds: Bounds) -> bool {
        if self.closed || !(own || self.filter.passes(name)) {
            return false;
        }
        if own {
            self.items.push_back(Item::Event(Buffer::concat(&[json]), false));
        } else if self.load.admit(json.len(), bounds) {
            self.items.push_back(Item::Event(Buffer::concat(&[json]), true));
        } else {
            self.lose(Loss(Some(1)));
        }
        true
    }

    /// Notes that events were lost in this place.
    pub fn lose(&mut self, loss: Loss) {
        if self.closed {
            return;
        }
        match self.items.back_mut() {
            Some(Item::Lost(before)) => before.add(loss),
            _ => self.items.push_back(Item::Lost(loss)),
        }
    }

    /// Takes the first item out.
    pub fn take(&mut self) -> Option<Buffer> {
        Some(match self.items.pop_front()? {
            Item::Event(json, counted) => {
                if counted {
                    self.load.leave(1, json.as_bytes().len());
                }
                json
            }
            Item::Lost(loss) => Buffer::concat(&[&loss.json()]),
        })
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stream: &mut Stream) -> String {
        String::from_utf8(stream.take().unwrap().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_counted_in_its_place() {
        let bounds = Bounds { events: 2, bytes: 100 };
        let mut stream = Stream::new(0, Filter::new(None));
        for json in ["one", "two", "three", "four"] {
            assert!(stream.push(b"E", json.as_bytes(), false, bounds));
        }
        assert!(stream.push(b"LIBQMP_CONNECTED", b"own", true, bounds));
        stream.push(b"E", b"five", false, bounds);
        assert_eq!(text(&mut stream), "one");
        stream.push(b"E", b"six", false, bounds);
        assert_eq!(text(&mut stream), "two");
        assert!(text(&mut stream).contains(r#""count":2"#));
        assert_eq!(text(&mut stream), "own");
        assert!(text(&mut stream).contains(r#""count":1"#));
        assert_eq!(text(&mut stream), "six");
        assert!(stream.take().is_none());
        assert!(!stream.push(b"E", &[b'x'; 101], false, bounds) || text(&mut stream).contains(r#""count":1"#));
    }

    #[test]
    fn filters_let_our_own_events_pass() {
        let filter = Filter::new(Some("STOP"));
        assert!(filter.passes(b"STOP") && !filter.passes(b"LIBQMP_DISCONNECTED") && !filter.passes(b"STO"));
        assert!(Filter::new(None).passes(b"anything"));
        let (mut stream, bounds) = (Stream::new(0, filter), Bounds { events: 1, bytes: 100 });
        assert!(stream.push(b"LIBQMP_CONNECTED", b"own", true, bounds));
        assert!(!stream.push(b"LIBQMP_CONNECTED", b"a peer's", false, bounds));
    }

    #[test]
    fn unknown_counts_stay_unknown() {
        let mut loss = Loss::new(Some(2));
        loss.add(Loss::new(None));
        loss.add(Loss::new(Some(1)));
        assert_eq!(loss, Loss::new(None));
    }
}
