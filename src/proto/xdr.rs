//! XDR (RFC 4506) as libvirt uses it: big-endian, every item padded to four bytes, every length checked before use.

use crate::error::{Code, Error, Result};

/// The longest string of libvirt's protocol (src/remote/remote_protocol.x, REMOTE_STRING_MAX): 4 MiB.
pub const MAX_STRING: usize = 4 << 20;

/// Reads items off the front of a message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over the whole payload.
    pub fn new(payload: &'a [u8]) -> Self {
        Reader { rest: payload }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A signed integer, an enum or a bool.
    pub fn i32(&mut self, what: &str) -> Result<i32> {
        self.array(what).map(i32::from_be_bytes)
    }

    /// An unsigned integer.
    pub fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// A signed hyper.
    pub fn i64(&mut self, what: &str) -> Result<i64> {
        self.array(what).map(i64::from_be_bytes)
    }

    /// An opaque item of fixed length, which is a multiple of four here.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let (item, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| short(what))?;
        self.rest = rest;
        Ok(*item)
    }

    /// A string: any bytes, without the NUL that C has behind them.
    pub fn string(&mut self, what: &str) -> Result<&'a [u8]> {
        let len = self.u32(what)? as usize;
        if len > MAX_STRING {
            let text = format!("{what} has {len} bytes, libvirt's strings have at most {MAX_STRING}");
            return Err(Error::new(Code::Protocol, text));
        }
        let (text, behind) = self.rest.split_at_checked(len).ok_or_else(|| short(what))?;
        // The content of the padding is nobody's business (libvirt does not look at it either).
        self.rest = behind.get(padding(len)..).ok_or_else(|| short(what))?;
        Ok(text)
    }

    /// A string that may be left out.
    pub fn optional_string(&mut self, what: &str) -> Result<Option<&'a [u8]>> {
        if self.is_there(what)? { self.string(what).map(Some) } else { Ok(None) }
    }

    /// An array of C's `char`, at most `most`: rpcgen gives each of them a word of its own.
    pub fn chars(&mut self, what: &str, most: usize) -> Result<Vec<u8>> {
        let count = self.count(what, most, 4)?;
        let mut chars = Vec::with_capacity(count);
        for _ in 0..count {
            let word = self.i32(what)?;
            // A char has a sign, or has none.
            let char =
                u8::try_from(word).or_else(|_| i8::try_from(word).map(|char| u8::from_be_bytes(char.to_be_bytes())));
            chars.push(char.map_err(|_| Error::new(Code::Protocol, format!("{word} among the {what} is no char")))?);
        }
        Ok(chars)
    }

    /// The word in front of an optional item.
    pub fn is_there(&mut self, what: &str) -> Result<bool> {
        match self.u32(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::new(Code::Protocol, format!("{what} is there or not by {other}, expected 0 or 1"))),
        }
    }

    /// The number of elements of an array, at most `most`; each has at least `size` bytes, so it can be relied on.
    pub fn count(&mut self, what: &str, most: usize, size: usize) -> Result<usize> {
        let count = self.u32(what)? as usize;
        if count > most {
            return Err(Error::new(Code::Protocol, format!("{count} {what}, the protocol allows {most}")));
        }
        if count.saturating_mul(size) > self.rest.len() {
            return Err(short(what));
        }
        Ok(count)
    }
}

/// Appends items to a message.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to `out`, whose length is a multiple of four.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer { out }
    }

    /// A signed integer, an enum or a bool.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// An unsigned integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// An opaque item of fixed length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.out.extend_from_slice(value);
        self.pad(value.len())
    }

    /// A string in pieces; the caller has seen to it that it is not too long.
    pub fn string(&mut self, pieces: &[&[u8]]) -> &mut Self {
        let len = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
        for piece in pieces {
            self.out.extend_from_slice(piece);
        }
        self.pad(len)
    }

    /// An array of C's `char`, a word each; the caller has seen to it that there are not too many.
    pub fn chars(&mut self, chars: &[u8]) -> &mut Self {
        self.u32(u32::try_from(chars.len()).unwrap_or(u32::MAX));
        for char in chars {
            self.i32(i8::from_be_bytes([*char]).into());
        }
        self
    }

    /// A string that is there, where one may be left out.
    pub fn some_string(&mut self, text: &[u8]) -> &mut Self {
        self.u32(1).string(&[text])
    }

    fn pad(&mut self, len: usize) -> &mut Self {
        self.out.extend_from_slice([0; 3].get(..padding(len)).unwrap_or_default());
        self
    }
}

/// How many bytes follow an item of this length.
fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

fn short(what: &str) -> Error {
    Error::new(Code::Protocol, format!("a packet of libvirt's ends inside {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        for len in 0..9 {
            let text = &b"abcdefghi"[..len];
            let mut bytes = Vec::new();
            Writer::new(&mut bytes).i32(-2).string(&[text]).some_string(text).u32(0).bytes(&[7; 16]).u32(u32::MAX);
            assert_eq!(bytes.len() % 4, 0);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.i32("a").unwrap(), -2);
            assert_eq!(reader.string("b").unwrap(), text);
            assert_eq!(reader.optional_string("c").unwrap(), Some(text));
            assert_eq!(reader.optional_string("d").unwrap(), None);
            assert_eq!(reader.array::<16>("e").unwrap(), [7; 16]);
            assert_eq!(reader.u32("f").unwrap(), u32::MAX);
            assert!(reader.rest().is_empty());
            assert!(reader.u32("g").unwrap_err().to_string().contains("ends inside g"));
        }
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        let read = |bytes: &[u8]| Reader::new(bytes).string("it").map(<[u8]>::to_vec);
        assert!(read(&[0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0]).is_err(), "the padding is missing");
        assert_eq!(read(&[0, 0, 0, 5, 1, 2, 3, 4, 5, 9, 9, 9]).unwrap(), [1, 2, 3, 4, 5]);
        for len in [0xffff_ffff_u32, 0x0040_0001, 13, 1] {
            assert!(read(&len.to_be_bytes()).is_err(), "{len}");
        }
        assert!(Reader::new(&[0, 0, 0, 2]).is_there("it").unwrap_err().to_string().contains("expected 0 or 1"));
        let count = |n: u32, most| Reader::new(&[n.to_be_bytes(), [0; 4]].concat()).count("domains", most, 4);
        assert_eq!(count(1, 20).unwrap(), 1);
        assert!(count(2, 20).is_err() && count(21, 20).is_err() && count(u32::MAX, usize::MAX).is_err());
    }
}
