//! The words of JSON: numbers, literals, and what lies inside strings.

/// The text of a string with escapes, without its quotes.
pub(super) fn decoded(inner: &[u8]) -> Vec<u8> {
    let quoted = [b"\"", inner, b"\""].concat();
    serde_json::from_slice::<serde_json::Value>(&quoted)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.as_bytes().to_vec()))
        .unwrap_or_else(|| inner.to_vec())
}

/// A plain decimal number that fits; anything else is not one of our ids.
pub(super) fn plain_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// May this byte stand in a number or a literal?
pub(super) fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// RFC 8259, section 6.
pub(super) fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text.first() == Some(&b'0')) {
        return false;
    }
    let mut rest = text.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = fraction.get(n..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let n = digits(exponent);
        return n > 0 && n == exponent.len();
    }
    rest.is_empty()
}

/// The high bit of each byte of a word.
const HIGH: u64 = each(0x80);

/// A word of this byte, eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The first byte from here on that is a quote, a backslash or a control character; or the end.
#[inline]
pub(super) fn skip_plain(buf: &[u8], pos: usize) -> usize {
    // A byte of `word ^ pattern` is zero where the pattern is met, and `x - 1` borrows into the high bit of a zero byte.
    // Borrows go upwards only, so the lowest hit is exact.
    let hits = |word: u64| {
        let (quote, slash) = (word ^ each(b'"'), word ^ each(b'\\'));
        (quote.wrapping_sub(each(1)) & !quote)
            | (slash.wrapping_sub(each(1)) & !slash)
            | (word.wrapping_sub(each(b' ')) & !word)
    };
    skip(buf, pos, hits)
}

/// The first byte from here on that is no printable ASCII (a control character, or a byte of 0x80 and above; DEL passes);
/// or the end. `near`: it is expected within 128 bytes.
pub(super) fn skip_text(buf: &[u8], mut pos: usize, near: bool) -> usize {
    // In blocks that compilers make vector instructions of, and what is left in smaller ones.
    if !near {
        pos = skip_block::<128>(buf, pos).unwrap_or(pos);
    }
    for _ in 0..4 {
        match skip_block::<32>(buf, pos) {
            Some(behind) => pos = behind,
            None => return skip_rest(buf, pos),
        }
    }
    skip_rest(buf, skip_long(buf, pos))
}

/// The first byte from here on that is no printable ASCII, where it is near.
#[inline(always)]
fn skip_rest(buf: &[u8], pos: usize) -> usize {
    skip(buf, pos, |word| word.wrapping_sub(each(b' ')) | word)
}

/// As a signed number every other byte is small.
fn is_text(byte: u8) -> bool {
    byte as i8 >= 0x20
}

const LONG_BLOCK: usize = 1024;

/// Behind the last whole block of a long line from here on.
#[inline(never)]
fn skip_long(buf: &[u8], mut pos: usize) -> usize {
    // In such a block it pays to look for its largest byte.
    while let Some(block) = buf.get(pos..).and_then(|rest| rest.first_chunk::<LONG_BLOCK>()) {
        let largest = block.iter().fold(0, |largest: u8, byte| largest.max(byte.wrapping_sub(b' ')));
        if largest >= 0x80 - b' ' {
            break;
        }
        pos = pos.wrapping_add(LONG_BLOCK);
    }
    while let Some(behind) = skip_block::<128>(buf, pos) {
        pos = behind;
    }
    while let Some(behind) = skip_block::<32>(buf, pos) {
        pos = behind;
    }
    pos
}

/// Behind the block that begins here, if it is printable ASCII.
#[inline(always)]
fn skip_block<const N: usize>(buf: &[u8], pos: usize) -> Option<usize> {
    let block = buf.get(pos..)?.first_chunk::<N>()?;
    block.iter().fold(true, |text, byte| text & is_text(*byte)).then_some(pos.wrapping_add(N))
}

/// How many decimal digits stand at the front.
#[inline(always)]
pub(super) fn digits_of_eight(text: &[u8; 8]) -> usize {
    // A digit becomes 0 to 9, to which 0x76 can be added without reaching the high bit. No sum of two bytes below 0x80
    // carries into the next, and one that is above has the bit by itself.
    let value = u64::from_le_bytes(*text) ^ each(b'0');
    let others = ((value & !HIGH).wrapping_add(each(0x76)) | value) & HIGH;
    (others.trailing_zeros() / 8) as usize
}

/// The first byte from here on that is not wanted, or the end: eight bytes at a time, where `hits` sets the high bit of
/// such a byte (and perhaps of bytes above it). A NUL must not be wanted.
#[inline(always)]
fn skip(buf: &[u8], mut pos: usize, hits: impl Fn(u64) -> u64) -> usize {
    while let Some(chunk) = buf.get(pos..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = hits(u64::from_le_bytes(*chunk)) & HIGH;
        if hits != 0 {
            return pos.wrapping_add((hits.trailing_zeros() / 8) as usize);
        }
        pos = pos.wrapping_add(8);
    }
    skip_last(buf, pos, hits)
}

/// The same where fewer than eight bytes are left: NULs are put behind them.
#[inline(always)]
fn skip_last(buf: &[u8], pos: usize, hits: impl Fn(u64) -> u64) -> usize {
    let rest = buf.get(pos..).unwrap_or_default();
    let word = match buf.last_chunk::<8>() {
        Some(last) if !rest.is_empty() => u64::from_le_bytes(*last) >> 8usize.wrapping_sub(rest.len()).wrapping_mul(8),
        Some(_) => return buf.len(),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    pos.wrapping_add(((hits(word) & HIGH).trailing_zeros() / 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_where_something_else_begins() {
        for len in (0..20).chain(120..150).chain(250..260).chain(1020..1030) {
            for other in 0..=255u8 {
                for more in [0, 1, 9, 200] {
                    let mut line = vec![b'~'; len];
                    line.push(other);
                    line.extend(std::iter::repeat_n(b' ', more));
                    let expected = if (0x20..0x80).contains(&other) { line.len() } else { len };
                    for near in [false, true] {
                        assert_eq!(skip_text(&line, 0, near), expected, "{other} behind {len} bytes, {more} behind it");
                        assert_eq!(skip_text(&line, len / 2, near), expected);
                        assert_eq!(skip_text(&line[len / 2..], 0, near), expected - len / 2);
                    }
                }
            }
        }
    }

    #[test]
    fn digits_are_counted_whatever_follows() {
        for len in 0..=8 {
            for other in 0..=255u8 {
                for more in [*b"01234567", [b'x'; 8], [0x80; 8]] {
                    let mut text = b"98765432"[..len].to_vec();
                    text.push(other);
                    text.extend(more);
                    let expected = text.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
                    assert_eq!(digits_of_eight(text.first_chunk().unwrap()), expected, "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn plain_text_ends_at_quotes_backslashes_and_control_characters() {
        for len in 0..20 {
            for other in 0..=255u8 {
                for more in [0, 1, 9] {
                    let mut text = vec![0xc3; len];
                    text.push(other);
                    text.extend(std::iter::repeat_n(b'x', more));
                    let plain = other >= 0x20 && !matches!(other, b'"' | b'\\');
                    let expected = if plain { text.len() } else { len };
                    for from in [0, len / 2, len] {
                        assert_eq!(skip_plain(&text, from), expected, "{other} behind {len} bytes, {more} behind it");
                    }
                }
            }
        }
    }
}
