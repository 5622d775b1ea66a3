//! The texts of queued events, one behind the other in one buffer: an event costs no allocation.

use crate::sys::text::Text;

/// A buffer that grew beyond this is given back when it has run empty.
const KEEP: usize = 1 << 20;
/// Two lengths stand in front of the texts of an event.
const LENGTHS: usize = 2 * size_of::<u32>();

/// Names and JSON of events, each with a NUL behind it.
#[derive(Default)]
pub struct Texts(Vec<u8>);

/// One event, and where the next one begins.
pub struct Entry<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its JSON.
    pub json: Text<'a>,
    /// The place behind it.
    pub next: usize,
}

impl Texts {
    /// The place where the next event will lie.
    pub fn end(&self) -> usize {
        self.0.len()
    }

    /// Appends an event. `None`: it is too long to be one (a message is bounded far below).
    pub fn push(&mut self, name: &[u8], json: &[u8]) -> Option<usize> {
        let at = self.end();
        let (name_len, json_len) = (u32::try_from(name.len()).ok()?, u32::try_from(json.len()).ok()?);
        self.0.reserve(LENGTHS + name.len() + json.len() + 2);
        self.0.extend_from_slice(&(u64::from(name_len) << 32 | u64::from(json_len)).to_ne_bytes());
        self.0.extend_from_slice(name);
        self.0.push(0);
        self.0.extend_from_slice(json);
        self.0.push(0);
        Some(at)
    }

    /// The event that lies there.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let (lengths, rest) = self.0.get(at..)?.split_first_chunk()?;
        let lengths = u64::from_ne_bytes(*lengths);
        let (name_len, json_len) = ((lengths >> 32) as usize, (lengths & u64::from(u32::MAX)) as usize);
        let (name, rest) = rest.split_at_checked(name_len + 1)?;
        let json = rest.get(..json_len + 1)?;
        let next = at + LENGTHS + name.len() + json.len();
        Some(Entry { name: Text::new(name), json: Text::new(json), next })
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The buffer is used again, unless there is another one or it is very large.
    pub fn reuse(&mut self, mut old: Texts) {
        if self.0.capacity() == 0 && old.0.capacity() <= KEEP {
            old.clear();
            *self = old;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_lie_one_behind_the_other() {
        let mut texts = Texts::default();
        let events: [(&str, &str); 4] = [("STOP", "{}"), ("", ""), ("RESUME", "{\"a\": 1}"), ("X", "")];
        let places = events.map(|(name, json)| texts.push(name.as_bytes(), json.as_bytes()).unwrap());
        for (index, (name, json)) in events.into_iter().enumerate() {
            let entry = texts.get(places[index]).unwrap();
            assert_eq!((entry.name.to_string(), entry.json.to_string()), (name.to_owned(), json.to_owned()));
            assert_eq!(entry.next, places.get(index + 1).copied().unwrap_or(texts.end()));
        }
        assert!(texts.get(texts.end()).is_none() && texts.get(usize::MAX).is_none());
        let mut fresh = Texts::default();
        fresh.reuse(texts);
        assert_eq!(fresh.end(), 0);
    }
}
