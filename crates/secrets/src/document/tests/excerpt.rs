use super::*;
use crate::document::Excerpt;

/// The excerpt around `shown`, which alone is visible with the keys that lead to it.
#[track_caller]
fn around(source: &str, shown: &str) -> Excerpt {
    let document = yaml(source);
    let start = source.find(shown).expect("there");
    let place = start..start + shown.len();
    let holds = |id| document.span(id).start <= place.start && place.end <= document.span(id).end;
    let (id, _) = document.strings().find(|(id, _)| holds(*id)).expect("a text");
    document.excerpt(id, std::slice::from_ref(&place), place.clone())
}

#[test]
fn a_line_shows_the_place_and_its_key_and_masks_the_rest() {
    let excerpt = around(
        "a: 1\n  \nprovider: {key: 'sk-canary ${secrets:x} more', other: canary} # canary\nb: 2\n",
        "${secrets:x}",
    );
    assert_eq!(excerpt.text, "provider: •key: •••••••••• ${secrets:x} •••••• •••••• ••••••• • ••••••");
    assert_eq!((excerpt.first_line, excerpt.first_column), (3, 1));
    assert_eq!(&excerpt.text[excerpt.span], "${secrets:x}");
}

#[test]
fn columns_stay_true() {
    let source = "ключ: \u{1F600}\t\u{202e}${secrets:\u{202e}x}\u{1b}[2J\n";
    let source = source.replace('\u{1b}', "\u{200b}");
    let excerpt = around(&source, "${secrets:\u{202e}x}");
    assert_eq!(excerpt.text.chars().count(), source.trim_end().chars().count());
    assert_eq!(&excerpt.text[excerpt.span.clone()], "${secrets:•x}");
    assert!(excerpt.text.starts_with("ключ: •\t•$"), "{}", excerpt.text);
}

#[test]
fn a_place_on_several_lines_shows_all_of_them() {
    let excerpt = around("a: x\nkey: canary ${secrets:x\n  y} canary\nb: c\n", "${secrets:x\n  y}");
    assert_eq!(excerpt.text, "key: •••••• ${secrets:x\n  y} ••••••");
    assert_eq!(&excerpt.text[excerpt.span], "${secrets:x\n  y}");
    let tall = format!("key: 'x\n{}'\n", "canary\n".repeat(100));
    let excerpt = Excerpt::of(&tall, &[], 0..tall.len());
    assert_eq!(excerpt.text.lines().count(), 8);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let source =
        format!("key: {} ${{secrets:x}} {}\nb: c\n", "canary ".repeat(100_000), "canary ".repeat(100_000));
    let excerpt = around(&source, "${secrets:x}");
    assert_eq!(excerpt.text.chars().count(), 120 + 12 + 120);
    assert_eq!(&excerpt.text[excerpt.span.clone()], "${secrets:x}");
    let before = excerpt.text[..excerpt.span.start].chars().count();
    assert_eq!(excerpt.first_column + before, source.find("${").expect("there") + 1);
}

#[test]
fn what_did_not_parse_is_masked_as_well() {
    let source = "\u{feff}a: b\r\nc: [canary\r\n";
    let error = refused(source, Format::Yaml);
    let excerpt = Excerpt::of(source, &[], error.span);
    assert!(!excerpt.text.contains("canary") && !excerpt.text.contains('\r'), "{excerpt:?}");
    let excerpt = Excerpt::of(source, &[], 3..4);
    assert_eq!((excerpt.text.as_str(), excerpt.span, excerpt.first_line), ("•• •", 0..3, 1));
    assert_eq!(Excerpt::of("", &[], 0..0).text, "");
    assert_eq!(Excerpt::of("ab", &[], 7..9).span, 6..6);
}
