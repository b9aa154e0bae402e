//! What a version holds, and the checksum that goes with it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::place;
use crate::network::malformed;

/// The answer to `versions.access`.
#[derive(Deserialize)]
pub(super) struct Accessed {
    name: String,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// Absent where it is empty: an empty field is not written in Google's JSON.
    #[serde(default)]
    data: Zeroizing<String>,
    /// A 64-bit number, which is text in Google's JSON. A version from before there were checksums has none.
    data_crc32c: Option<String>,
}

impl Accessed {
    /// The value, if it is text, undamaged, and of the secret `name`.
    ///
    /// A checksum that differs is `Unavailable`: what the store holds is another thing than what arrived, and may
    /// arrive well next time.
    pub(super) fn value(self, name: &SecretName) -> Result<SecretValue> {
        let version = place::version_of(&self.name, name)
            .ok_or_else(|| malformed("is of another secret than was asked for"))?;
        let bytes = STANDARD.decode(self.payload.data.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| malformed("is not what the store sends"))?;
        if let Some(expected) = self.payload.data_crc32c
            && expected.parse() != Ok(crc32c::crc32c(&bytes))
        {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the value was damaged on its way: its checksum differs",
            )
            .with_help("try again; if it stays so, something in between changes what the store answers"));
        }
        let text = str::from_utf8(&bytes).map_err(|_| {
            Error::new(ErrorKind::Malformed, "the version does not hold text").with_help(
                "another program may keep binary data under this name; set it anew to replace that",
            )
        })?;
        Ok(SecretValue::new(text).with_version(version))
    }
}

/// The answer to `secrets.addVersion`.
#[derive(Deserialize)]
pub(super) struct Added {
    name: String,
}

impl Added {
    /// `Malformed` if it is not of the secret `name`: then nobody knows whether a version was made.
    pub(super) fn check(&self, name: &SecretName) -> Result<()> {
        let made = place::version_of(&self.name, name);
        made.map(drop).ok_or_else(|| malformed("is of another secret than was set"))
    }
}

/// The body of `secrets.addVersion`, wiped when it has been sent.
pub(super) fn to_add(value: &SecretValue) -> Bytes {
    let bytes = value.expose().as_bytes();
    let checksum = crc32c::crc32c(bytes);
    // Of its final size at once: a buffer that grows leaves copies behind.
    let mut body = Vec::with_capacity(bytes.len().div_ceil(3) * 4 + 64);
    body.extend_from_slice(br#"{"payload":{"data":""#);
    let encoded = Zeroizing::new(STANDARD.encode(bytes));
    body.extend_from_slice(encoded.as_bytes());
    body.extend_from_slice(format!(r#"","dataCrc32c":"{checksum}"}}}}"#).as_bytes());
    Bytes::from_owner(Zeroizing::new(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: serde_json::Value) -> Result<SecretValue> {
        let accessed: Accessed = serde_json::from_value(answer).unwrap();
        accessed.value(&SecretName::new("key").unwrap())
    }

    fn answer(data: &[u8], checksum: u32) -> serde_json::Value {
        let payload = json!({ "data": STANDARD.encode(data), "dataCrc32c": checksum.to_string() });
        json!({ "name": "projects/1/secrets/key/versions/3", "payload": payload })
    }

    #[test]
    fn a_value_has_its_version() {
        // The check value of CRC-32C: RFC 3720, appendix B.4, in the catalogue's spelling of "123456789".
        let value = read(answer(b"123456789", 0xe306_9283)).unwrap();
        assert_eq!((value.expose(), value.version().unwrap().as_str()), ("123456789", "3"));
    }

    #[test]
    fn a_checksum_that_differs_is_an_outage_and_shows_nothing() {
        let error = read(answer(b"canary-value", 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn a_version_from_before_checksums_is_read() {
        let payload = json!({ "data": STANDARD.encode("old") });
        let answer = json!({ "name": "projects/1/secrets/key/versions/1", "payload": payload });
        assert_eq!(read(answer).unwrap().expose(), "old");
    }

    #[test]
    fn bytes_that_are_not_text_are_malformed() {
        let bytes = b"\xff\xfe";
        let error = read(answer(bytes, crc32c::crc32c(bytes))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }

    #[test]
    fn what_is_added_carries_its_checksum() {
        let body: serde_json::Value = serde_json::from_slice(&to_add(&"123456789".into())).unwrap();
        let payload = json!({ "data": "MTIzNDU2Nzg5", "dataCrc32c": "3808858755" });
        assert_eq!(body, json!({ "payload": payload }));
    }

    #[test]
    fn the_body_is_made_in_one_piece() {
        let value = SecretValue::new("x".repeat(65_536));
        let length = to_add(&value).len();
        assert!(length <= 65_536usize.div_ceil(3) * 4 + 64, "{length}");
    }
}
