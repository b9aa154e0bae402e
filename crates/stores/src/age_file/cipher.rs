//! The age format: sealing and opening, nothing of what is inside.

use std::io::{Read as _, Write as _};

use age::{
    DecryptError, Decryptor, Encryptor,
    armor::{ArmoredReader, ArmoredWriter, Format},
};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretString};
use zeroize::Zeroizing;

use super::{identities::Identities, recipient::Recipient};

/// An age file whose header has been read.
pub(super) struct Sealed<'a> {
    decryptor: Decryptor<ArmoredReader<std::io::BufReader<&'a [u8]>>>,
    /// More than the plaintext has.
    length: usize,
}

/// The most work on a passphrase that a file may ask for, as a power of two: the limit of the age tool, too. The
/// library's own is found by timing a moment of work, and is too low where others had the processor in that moment.
const MAX_WORK_FACTOR: u8 = 22;

/// The work of a guess at a passphrase, as the logarithm of scrypt's N: about a second on a machine of 2020, and what
/// the age tool itself takes. A library that measures would take less on a machine that is busy just then.
pub(super) const WORK_FACTOR: u8 = 18;

impl<'a> Sealed<'a> {
    /// Reads the header of an age file, armoured or not. Fails with `Malformed`.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        match Decryptor::new_buffered(ArmoredReader::new(bytes)) {
            Ok(decryptor) => Ok(Sealed { decryptor, length: bytes.len() }),
            Err(DecryptError::UnknownFormat) => Err(Error::new(
                ErrorKind::Malformed,
                "is an age file of a newer format than this program knows",
            )
            .with_help("read it with a newer program")),
            Err(_) => Err(Error::new(ErrorKind::Malformed, "is not an age file, or was cut short")
                .with_help("check the path; if the file was cut short, restore it from a copy")),
        }
    }

    /// Whether a passphrase opens it, and nothing else does.
    pub(super) fn needs_passphrase(&self) -> bool {
        self.decryptor.is_scrypt()
    }

    /// The plaintext, for whoever has one of `identities`.
    ///
    /// Fails with `Locked` if none of them fits, with `Malformed` if the file is damaged.
    pub(super) fn open(self, identities: &Identities) -> Result<Zeroizing<Vec<u8>>> {
        self.open_with(&mut identities.as_age(), "none of the identities at hand opens it")
    }

    /// The plaintext, for whoever knows the passphrase.
    pub(super) fn open_by_passphrase(self, passphrase: SecretString) -> Result<Zeroizing<Vec<u8>>> {
        let mut identity = age::scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        let mut identities = std::iter::once(&identity as &dyn age::Identity);
        self.open_with(&mut identities, "cannot be opened: the passphrase is wrong")
    }

    /// Whether one of `identities` opens it. Looks at the header alone.
    pub(super) fn opens_for(self, identities: &Identities) -> bool {
        self.decryptor.decrypt(identities.as_age()).is_ok()
    }

    fn open_with(
        self,
        identities: &mut dyn Iterator<Item = &dyn age::Identity>,
        wrong: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut reader = self.decryptor.decrypt(identities).map_err(|error| refused(&error, wrong))?;
        // Never grown, so that no copy of the plaintext stays behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(self.length));
        reader.read_to_end(&mut plaintext).map_err(|_| {
            Error::new(ErrorKind::Malformed, "is damaged or was cut short")
                .with_help("restore it from a copy")
        })?;
        Ok(plaintext)
    }
}

fn refused(error: &DecryptError, wrong: &'static str) -> Error {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            Error::new(ErrorKind::Locked, wrong).with_help(
                "use the identity or passphrase that the file was made for, or have someone who can open it \
                 add yours with 'modelmesh secrets rekey'",
            )
        }
        DecryptError::ExcessiveWork { .. } => Error::new(
            ErrorKind::Malformed,
            "asks for more work on its passphrase than this machine should do",
        )
        .with_help("if you trust the file, make it again with a lower work factor"),
        _ => Error::new(ErrorKind::Malformed, "is damaged or was cut short")
            .with_help("restore it from a copy"),
    }
}

/// An armoured age file of `plaintext` for these public keys.
pub(super) fn seal(plaintext: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>> {
    let keys = recipients.iter().map(Recipient::key).collect::<Result<Vec<_>>>()?;
    seal_with(plaintext, &mut keys.iter().map(|key| &**key))
}

/// An armoured age file of `plaintext` for whoever knows the passphrase. Another factor than [`WORK_FACTOR`] is for
/// tests alone.
pub(super) fn seal_by_passphrase(
    plaintext: &[u8],
    passphrase: SecretString,
    work_factor: u8,
) -> Result<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(work_factor);
    seal_with(plaintext, &mut std::iter::once(&recipient as &dyn age::Recipient))
}

fn seal_with(plaintext: &[u8], recipients: &mut dyn Iterator<Item = &dyn age::Recipient>) -> Result<Vec<u8>> {
    // Writing to memory fails at nothing; what is left is a set of recipients that age does not take.
    let refused = || Error::new(ErrorKind::InvalidConfig, "age cannot encrypt to these recipients together");
    let encryptor = Encryptor::with_recipients(recipients).map_err(|_| refused())?;
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(|_| refused())?;
    let mut writer = encryptor.wrap_output(armored).map_err(|_| refused())?;
    writer.write_all(plaintext).map_err(|_| refused())?;
    writer.finish().and_then(ArmoredWriter::finish).map_err(|_| refused())
}
