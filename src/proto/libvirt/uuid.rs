//! UUIDs as libvirt reads and writes them (src/util/viruuid.c).

use std::fmt;

/// A UUID's sixteen bytes, printed as 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Reads 32 hexadecimal digits, with hyphens between bytes or without.
    pub fn parse(text: &[u8]) -> Option<Uuid> {
        let mut bytes = [0; 16];
        let mut rest = text;
        for byte in &mut bytes {
            while let [b'-', behind @ ..] = rest {
                rest = behind;
            }
            let (pair, behind) = rest.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(pair).ok().filter(|_| pair.iter().all(u8::is_ascii_hexdigit))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
            rest = behind;
        }
        (rest.is_empty() && text.first() != Some(&b'-')).then_some(Uuid(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_one_is_written() {
        let text = "cd6459fd-de9b-4411-a0b6-9f87368e913f";
        let uuid = Uuid::parse(text.as_bytes()).unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(Uuid::parse(b"CD6459FDDE9B4411A0B69F87368E913F"), Some(uuid));
        for not_one in
            ["", "7", "cd6459fd-de9b-4411-a0b6-9f87368e913", "cd6459fd-de9b-4411-a0b6-9f87368e913f0", "web-1"]
        {
            assert_eq!(Uuid::parse(not_one.as_bytes()), None, "{not_one}");
        }
        assert_eq!(Uuid::parse(b"+d6459fdde9b4411a0b69f87368e913f"), None);
        assert_eq!(Uuid::parse(b"-cd6459fdde9b4411a0b69f87368e913f"), None);
    }
}
