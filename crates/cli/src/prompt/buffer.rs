//! Bytes on their way to becoming a secret, wiped wherever they were.

use std::io::{self, Read};

use modelmesh_secrets::{Error, ErrorKind, SecretString};
use zeroize::Zeroizing;

/// A growing buffer that leaves no copy behind: a plain `Vec` does each time it grows.
#[derive(Default)]
pub(crate) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    const FIRST: usize = 4096;

    pub(crate) fn push(&mut self, byte: u8) {
        self.reserve(1);
        self.0.push(byte);
    }

    /// Removes the last character, all bytes of it.
    pub(crate) fn erase(&mut self) {
        let start = self.0.iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
        self.0.truncate(start);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `input` to its end. Fails with `Malformed` beyond `max` bytes.
    pub(crate) fn read_to_end(&mut self, mut input: impl Read, max: usize) -> Result<(), Error> {
        let mut piece = Zeroizing::new([0; 8192]);
        loop {
            let length = match input.read(&mut piece[..]) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Error::new(ErrorKind::Io, "cannot read the value").with_source(error));
                }
            };
            if self.0.len() + length > max {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    format!("the value is longer than {max} bytes"),
                ));
            }
            self.reserve(length);
            self.0.extend_from_slice(&piece[..length]);
        }
    }

    /// Drops one final `\n` or `\r\n`.
    pub(crate) fn drop_newline(&mut self) {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
            if self.0.last() == Some(&b'\r') {
                self.0.pop();
            }
        }
    }

    /// The bytes as text. Fails with `Malformed` if they are not UTF-8.
    pub(crate) fn into_text(self) -> Result<SecretString, Error> {
        let text = std::str::from_utf8(&self.0).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the value is not UTF-8 text")
                .with_help("store binary data as base64: base64 -w0 FILE | modelmesh secrets set NAME")
        })?;
        // As long as its text, so that it is not copied once more when its spare room is given back.
        let mut exact = String::with_capacity(text.len());
        exact.push_str(text);
        Ok(exact.into())
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(Self::FIRST)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::ExposeSecret as _;

    use super::*;

    #[test]
    fn erasing_removes_a_whole_character() {
        let mut buffer = Buffer::default();
        "aé".bytes().for_each(|byte| buffer.push(byte));
        buffer.erase();
        assert_eq!(buffer.into_text().unwrap().expose_secret(), "a");
    }

    #[test]
    fn erasing_nothing_is_harmless() {
        let mut buffer = Buffer::default();
        buffer.erase();
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_value_larger_than_every_piece_comes_through_whole() {
        let long = "0123456789".repeat(10_000);
        let mut buffer = Buffer::default();
        buffer.read_to_end(long.as_bytes(), usize::MAX).unwrap();
        assert_eq!(buffer.into_text().unwrap().expose_secret(), long);
    }
}
