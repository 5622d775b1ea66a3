//! The texts of queued callbacks, one behind the other in one buffer: an event or a short answer costs no allocation.

use super::text::Text;

/// A buffer that grew beyond this is given back when it has run empty.
const KEEP: usize = 1 << 20;
/// Two lengths stand in front of the texts of an entry, as one number: that of the name in the upper half.
const LENGTHS: usize = size_of::<u64>();
const HALF: u32 = u32::BITS;

/// Pairs of a name and a text, each with a NUL behind it.
#[derive(Default)]
pub struct Texts(Vec<u8>);

/// One pair, and where the next one begins.
pub struct Entry<'a> {
    /// The name of an event; empty for an answer.
    pub name: Text<'a>,
    /// Its JSON.
    pub json: Text<'a>,
    /// The place behind it.
    pub next: usize,
}

impl Texts {
    /// The place where the next entry will lie.
    pub fn end(&self) -> usize {
        self.0.len()
    }

    /// Appends an entry whose JSON is these parts, and gives its place. `None`: it is longer than this, or 4 GiB (a message
    /// is bounded far below).
    pub fn push<const N: usize>(&mut self, name: &[u8], parts: [&[u8]; N], longest: usize) -> Option<usize> {
        let at = self.end();
        let json_len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        if json_len > longest {
            return None;
        }
        let lengths = u64::from(u32::try_from(name.len()).ok()?) << HALF | u64::from(u32::try_from(json_len).ok()?);
        let size = LENGTHS + name.len() + 1 + json_len + 1;
        self.0.reserve(size);
        // SAFETY: `reserve` made room for `size` bytes behind `at`, which is what is written, and nothing else owns them.
        unsafe {
            let mut place = self.0.as_mut_ptr().add(at);
            let mut write = |part: &[u8]| {
                place.copy_from_nonoverlapping(part.as_ptr(), part.len());
                place = place.add(part.len());
            };
            write(&lengths.to_ne_bytes());
            write(name);
            write(&[0]);
            parts.iter().filter(|part| !part.is_empty()).for_each(|part| write(part));
            write(&[0]);
            self.0.set_len(at + size);
        }
        Some(at)
    }

    /// The entry that lies there.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let (name_len, json_len) = self.lengths(at)?;
        let begin = at + LENGTHS;
        let next = begin + name_len + 1 + json_len + 1;
        let (name, json) = self.0.get(begin..next)?.split_at_checked(name_len + 1)?;
        Some(Entry { name: Text::written(name), json: Text::written(json), next })
    }

    /// The bytes of JSON of so many entries from there on.
    pub fn size_of(&self, mut at: usize, count: usize) -> usize {
        let mut bytes = 0;
        for _ in 0..count {
            let Some((name_len, json_len)) = self.lengths(at) else { break };
            bytes += json_len;
            at += LENGTHS + name_len + 1 + json_len + 1;
        }
        bytes
    }

    fn lengths(&self, at: usize) -> Option<(usize, usize)> {
        let lengths = u64::from_ne_bytes(*self.0.get(at..)?.first_chunk()?);
        Some(((lengths >> HALF) as usize, (lengths & u64::from(u32::MAX)) as usize))
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
    fn entries_lie_one_behind_the_other() {
        let mut texts = Texts::default();
        let entries: [(&str, [&str; 2]); 5] = [
            ("STOP", ["{", "}"]),
            ("", ["", ""]),
            ("RESUME", ["", "{\"a\": 1}"]),
            ("", ["{\"return\"", ": {}}"]),
            ("X", ["", ""]),
        ];
        let mut places = Vec::new();
        for (name, parts) in entries {
            places.push(texts.push(name.as_bytes(), parts.map(str::as_bytes), usize::MAX).unwrap());
        }
        for (index, (name, parts)) in entries.into_iter().enumerate() {
            let entry = texts.get(places[index]).unwrap();
            assert_eq!((entry.name.to_string(), entry.json.to_string()), (name.to_owned(), parts.concat()));
            assert_eq!(entry.next, places.get(index + 1).copied().unwrap_or(texts.end()));
        }
        assert_eq!((texts.size_of(places[0], 3), texts.size_of(places[1], 99)), (10, 8 + 14));
        assert!(texts.get(texts.end()).is_none() && texts.get(usize::MAX - 20).is_none());
        let mut fresh = Texts::default();
        fresh.reuse(texts);
        assert_eq!(fresh.end(), 0);
    }
}
