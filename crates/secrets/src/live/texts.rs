//! Texts of the program's own: their references are resolved as those of the configuration's texts are.

use std::collections::HashMap;

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::SecretResolver;
use crate::{
    Error, Result,
    reference::{Piece, PieceText, Reference, scan},
};

impl SecretResolver {
    /// The texts with values in place of references, escapes undone: as many texts, in the same order.
    ///
    /// - Every reference is asked for once, whatever number of texts it stands in, and each store in as few calls as it
    ///   can take.
    /// - Nothing stands in place of a reference that is missing and may be (`fail_on_missing: false`).
    /// - Fails with everything that failed, each reference once, in the order of the texts.
    pub async fn resolve_texts(&self, texts: &[&str]) -> Result<Vec<SecretString>, Vec<Error>> {
        let pieces: Vec<Vec<Piece<'_>>> = texts.iter().map(|text| scan(text).collect()).collect();
        let mut failures = Vec::new();
        let mut asked: HashMap<&Reference, usize> = HashMap::new();
        let mut references: Vec<Reference> = Vec::new();
        for piece in pieces.iter().flatten() {
            match &piece.text {
                PieceText::Literal(_) => {}
                PieceText::Broken(error) => failures.push((**error).clone()),
                PieceText::Reference(reference) => {
                    asked.entry(reference).or_insert_with(|| {
                        references.push((**reference).clone());
                        references.len() - 1
                    });
                }
            }
        }
        let mut values: Vec<Option<SecretString>> = Vec::with_capacity(references.len());
        for (reference, outcome) in references.iter().zip(self.resolver().get_many(&references).await) {
            values.push(match outcome {
                Ok(value) => Some(value.secret().clone()),
                Err(error) => {
                    if !self.configuration().may_be_missing(reference, &error) {
                        failures.push(error);
                    }
                    None
                }
            });
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        Ok(pieces
            .iter()
            .map(|pieces| {
                let mut text = Zeroizing::new(String::new());
                for piece in pieces {
                    match &piece.text {
                        PieceText::Literal(literal) => text.push_str(literal),
                        PieceText::Broken(_) => {}
                        PieceText::Reference(reference) => {
                            let value = asked.get(&**reference).and_then(|&at| values[at].as_ref());
                            text.push_str(value.map_or("", |value| value.expose_secret()));
                        }
                    }
                }
                SecretString::from(text.as_str())
            })
            .collect())
    }
}
