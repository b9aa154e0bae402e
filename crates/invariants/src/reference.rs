//! Texts with `${secrets:…}` references.

use modelmesh_secrets::reference::{Piece, PieceText, Reference, may_hold_reference, scan};

use crate::{
    repeated::{in_linear_time, repeated},
    silence::{CANARY, assert_error_silent, assert_silent},
};

/// `data` is a text; behind a `*`, one that is repeated until it is long.
///
/// - The pieces of a text tile it, and each is read alike if reading starts at it.
/// - A reference, written out and read again, is the same.
/// - A `$` before a reference makes it plain text.
/// - Neither an error nor `Debug` tells a fallback or a literal.
/// - The time is linear in the length.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(CANARY) {
        return;
    }
    if let Some(text) = text.strip_prefix('*').and_then(repeated) {
        in_linear_time(|| tile(&text));
        return;
    }

    let pieces = tile(text);
    assert!(may_hold_reference(text) || pieces.iter().all(is_literal), "a reference without an opening");
    for piece in &pieces {
        check_restart(text, piece);
        match &piece.text {
            PieceText::Literal(_) => {}
            PieceText::Reference(reference) => {
                check_round_trip(reference);
                check_escaped(&text[piece.span.clone()]);
                assert_eq!(
                    Reference::parse(&text[piece.span.clone()]).as_ref().ok(),
                    Some(&**reference),
                    "one reference alone is read alike"
                );
            }
            PieceText::Broken(error) => {
                assert!(!error.message().is_empty());
                assert!(Reference::parse(&text[piece.span.clone()]).is_err());
            }
        }
        check_silence(text, piece);
    }
}

/// The pieces of `text`, which follow each other from its start to its end.
fn tile(text: &str) -> Vec<Piece<'_>> {
    let mut end = 0;
    let pieces: Vec<Piece<'_>> = scan(text)
        .inspect(|piece| {
            assert_eq!(piece.span.start, end, "a gap or an overlap");
            assert!(!piece.span.is_empty(), "a piece of nothing");
            end = piece.span.end;
            let written = &text[piece.span.clone()];
            if let PieceText::Literal(literal) = piece.text {
                let escaped = written.strip_prefix('$').filter(|rest| rest.starts_with("${secrets"));
                assert!(literal == written || Some(literal) == escaped, "a literal is what is written");
            }
        })
        .collect();
    assert_eq!(end, text.len(), "the pieces end before the text");
    pieces
}

fn is_literal(piece: &Piece<'_>) -> bool {
    matches!(piece.text, PieceText::Literal(_))
}

/// What a piece is does not depend on what was read before it.
fn check_restart(text: &str, piece: &Piece<'_>) {
    let Some(again) = scan(&text[piece.span.start..]).next() else { panic!("nothing is left") };
    assert_eq!(again.span.len(), piece.span.len(), "another end when read alone");
    match (&again.text, &piece.text) {
        (PieceText::Literal(a), PieceText::Literal(b)) => assert!(a == b, "another literal"),
        (PieceText::Reference(a), PieceText::Reference(b)) => assert_eq!(a, b),
        (PieceText::Broken(a), PieceText::Broken(b)) => assert_eq!(a.to_string(), b.to_string()),
        _ => panic!("{again:?} when read alone, {piece:?} before"),
    }
}

fn check_round_trip(reference: &Reference) {
    let shown = reference.to_string();
    let written = match &reference.fallback {
        None => shown,
        Some(fallback) => {
            let Some(head) = shown.strip_suffix("…}") else {
                panic!("'{shown}' does not mask its fallback")
            };
            format!("{head}{}}}", fallback.expose().replace('}', "\\}"))
        }
    };
    match Reference::parse(&written) {
        Ok(again) => assert_eq!(again, *reference, "'{written}' is another reference"),
        Err(error) => panic!("'{written}' does not come back: {error}"),
    }
    let alone = Reference::parse(&reference.name.to_reference());
    assert_eq!(alone.ok().map(|reference| reference.name).as_ref(), Some(&reference.name));
}

/// Behind a `$`, `written` is text. What opens within its fallback is judged by itself.
fn check_escaped(written: &str) {
    if written.matches("${secrets").count() > 1 {
        return;
    }
    let escaped = format!("${written}");
    let mut text = String::new();
    for piece in scan(&escaped) {
        let PieceText::Literal(literal) = piece.text else { panic!("'{escaped}' holds {piece:?}") };
        text.push_str(literal);
    }
    assert_eq!(text, written, "an escape stands for what it escapes");
}

/// Puts the canary where a fallback or a literal is, and looks for it in all that is said.
fn check_silence(text: &str, piece: &Piece<'_>) {
    let written = &text[piece.span.clone()];
    let secret_from = match piece.text {
        PieceText::Literal(_) => 0,
        PieceText::Reference(_) | PieceText::Broken(_) => match written.find(":-") {
            Some(sign) => sign + ":-".len(),
            None => return,
        },
    };
    let (head, tail) = written.split_at(secret_from);
    let marked = format!("{head}{CANARY}{tail}");
    for piece in scan(&marked) {
        assert_silent(&piece, "the Debug of a piece");
        match &piece.text {
            PieceText::Literal(_) => {}
            PieceText::Reference(reference) => assert_silent(&reference.to_string(), "a reference"),
            PieceText::Broken(error) => assert_error_silent(error, "an error"),
        }
    }
    if let Err(error) = Reference::parse(&marked) {
        assert_error_silent(&error, "an error");
    }
}
