//! Masks secrets in a stream, whatever the pieces in which it arrives.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton as _, StateID},
    nfa::contiguous::NFA,
};
use modelmesh_secrets::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::Patterns;

/// What stands in a value's place.
pub const MASK: &[u8] = b"*****";

/// Masks every occurrence of the patterns in a stream of bytes.
///
/// - Occurrences that overlap are masked as one, so that no part of either shows.
/// - A byte is held back only while it may be part of an occurrence that has not ended: a prompt without a
///   newline appears at once.
/// - Bytes that are part of no occurrence pass as they are, be they text or not.
///
/// ```
/// use modelmesh_cli::process::{Patterns, Redactor};
///
/// let mut redactor = Redactor::new(&Patterns::of(["sk-canary"]))?;
/// let mut shown = Vec::new();
/// redactor.feed(b"key: sk-ca", &mut shown);
/// assert_eq!(shown, b"key: ");
/// redactor.feed(b"nary.", &mut shown);
/// redactor.finish(&mut shown);
/// assert_eq!(shown, b"key: *****.");
/// # Ok::<(), modelmesh_secrets::Error>(())
/// ```
///
/// A clone reads a stream of its own, and shares what was made of the patterns.
#[derive(Clone, Debug)]
pub struct Redactor {
    machine: Arc<Machine>,
    state: StateID,
    /// Bytes read and not yet passed on.
    held: Zeroizing<Vec<u8>>,
    /// The occurrences within `held`, in order, none touching the next by more than its end.
    found: Vec<Found>,
}

struct Machine {
    automaton: NFA,
    start: StateID,
    /// Of every state but the start, which begins nothing.
    readings: HashMap<StateID, Reading>,
}

/// The automaton holds the patterns, so it is not shown.
impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

/// What a state of the automaton says of the bytes read so far.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// How many of the last bytes begin a pattern.
    begun: usize,
    /// The longest pattern that ends here, or 0.
    ended: usize,
}

#[derive(Clone, Debug)]
struct Found {
    range: Range<usize>,
    /// Its mask has been passed on already.
    shown: bool,
}

impl Redactor {
    /// A redactor at the start of a stream.
    ///
    /// Fails with `Unsupported` if the patterns are too many bytes for an automaton (some gigabytes).
    pub fn new(patterns: &Patterns) -> Result<Self, Error> {
        let machine = Arc::new(Machine::new(patterns)?);
        let state = machine.start;
        Ok(Redactor { machine, state, held: Zeroizing::default(), found: Vec::new() })
    }

    /// Reads a piece of the stream and appends to `out` what may be shown by now.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &byte in piece {
            self.held.push(byte);
            self.state = self.machine.next(self.state, byte);
            if self.machine.automaton.is_match(self.state) {
                self.mark(self.machine.reading(self.state).ended);
            }
        }
        let begun = self.machine.reading(self.state).begun;
        self.pass(self.held.len() - begun, out);
    }

    /// Ends the stream: appends what is still held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.pass(self.held.len(), out);
        self.state = self.machine.start;
    }

    /// Marks the last `length` bytes as an occurrence.
    fn mark(&mut self, length: usize) {
        let end = self.held.len();
        let mut start = end - length;
        let mut shown = false;
        while let Some(last) = self.found.pop_if(|last| last.range.end > start) {
            start = start.min(last.range.start);
            shown |= last.shown;
        }
        self.found.push(Found { range: start..end, shown });
    }

    /// Passes on the first `upto` held bytes.
    fn pass(&mut self, upto: usize, out: &mut Vec<u8>) {
        let mut at = 0;
        for found in &mut self.found {
            if found.range.start > upto {
                break;
            }
            out.extend_from_slice(&self.held[at..found.range.start]);
            // An occurrence whose last bytes may begin another one is masked now; should the other one come, it
            // is part of this mask.
            if !found.shown {
                out.extend_from_slice(MASK);
                found.shown = true;
            }
            at = found.range.end;
        }
        if at < upto {
            out.extend_from_slice(&self.held[at..upto]);
        }
        self.found.retain_mut(|found| {
            found.range = found.range.start.saturating_sub(upto)..found.range.end.saturating_sub(upto);
            !found.range.is_empty()
        });
        self.held.drain(..upto);
    }
}

impl Machine {
    fn new(patterns: &Patterns) -> Result<Self, Error> {
        // All matches are wanted, not the leftmost of those that overlap; hence the standard kind.
        let automaton =
            NFA::builder().match_kind(MatchKind::Standard).prefilter(false).build(patterns.texts());
        let automaton = automaton.map_err(|_| too_large())?;
        let start = automaton.start_state(Anchored::No).map_err(|_| too_large())?;
        let mut machine = Machine { automaton, start, readings: HashMap::new() };
        // Every state is reached by reading the beginning of some pattern, and stands for just that text.
        for text in patterns.texts() {
            let mut state = start;
            for (before, &byte) in text.iter().enumerate() {
                state = machine.next(state, byte);
                let reading = Reading { begun: before + 1, ended: machine.longest_match(state) };
                machine.readings.insert(state, reading);
            }
        }
        Ok(machine)
    }

    fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    fn longest_match(&self, state: StateID) -> usize {
        if !self.automaton.is_match(state) {
            return 0;
        }
        let matches = 0..self.automaton.match_len(state);
        let length = |i| self.automaton.pattern_len(self.automaton.match_pattern(state, i));
        matches.map(length).max().unwrap_or(0)
    }

    fn reading(&self, state: StateID) -> Reading {
        if state == self.start {
            return Reading::default();
        }
        self.readings.get(&state).copied().unwrap_or_default()
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::Unsupported, "the values are too large to be masked")
        .with_help("run without --redact, or give the child fewer or smaller values")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The output for `pieces`, and how much of it was shown before the end.
    fn redacted(values: &[&str], pieces: &[&[u8]]) -> (String, usize) {
        let mut redactor = Redactor::new(&Patterns::of(values.iter().copied())).unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            redactor.feed(piece, &mut out);
        }
        let early = out.len();
        redactor.finish(&mut out);
        (String::from_utf8(out).unwrap(), early)
    }

    #[test]
    fn a_value_split_over_pieces_is_masked_once() {
        let (out, _) = redacted(&["canary"], &[b"a ca", b"na", b"ry b canar", b"y"]);
        assert_eq!(out, "a ***** b *****");
    }

    #[test]
    fn a_prompt_without_a_newline_appears_at_once() {
        let (out, early) = redacted(&["canary"], &[b"Password: "]);
        assert_eq!((out.as_str(), early), ("Password: ", 10));
    }

    #[test]
    fn a_value_at_the_end_is_masked_at_once_though_its_end_may_begin_another() {
        let (out, early) = redacted(&["abcXabc"], &[b"abcXabc"]);
        assert_eq!((out.as_str(), early), ("*****", 5));
    }

    #[test]
    fn values_that_overlap_show_no_part_of_either() {
        assert_eq!(redacted(&["abcdef", "defghi"], &[b"-abcdef", b"ghi-"]).0, "-*****-");
        assert_eq!(redacted(&["abcdef", "cdefghij"], &[b"-abcdefghij-"]).0, "-*****-");
        assert_eq!(redacted(&["abcXabc"], &[b"abcXabc", b"Xabc!"]).0, "*****!");
    }

    #[test]
    fn a_value_within_another_is_covered_by_the_longer_one() {
        assert_eq!(redacted(&["token", "my-token-9"], &[b"my-token-9 my-token"]).0, "***** my-*****");
    }

    #[test]
    fn neighbours_are_masked_one_by_one() {
        assert_eq!(redacted(&["canary"], &[b"canarycanary"]).0, "**********");
    }

    #[test]
    fn the_beginning_of_a_value_at_the_end_of_the_stream_is_shown() {
        assert_eq!(redacted(&["canary"], &[b"can"]).0, "can");
    }

    #[test]
    fn without_values_everything_passes() {
        assert_eq!(redacted(&[], &[b"any", b"thing"]), ("anything".to_owned(), 8));
    }

    /// What the redactor must print, found the slow way: every byte of every occurrence is covered.
    fn expected(text: &[u8], patterns: &Patterns) -> Vec<u8> {
        let mut ranges: Vec<Range<usize>> = patterns
            .texts()
            .flat_map(|p| {
                (0..text.len()).filter(move |&at| text[at..].starts_with(p)).map(|at| at..at + p.len())
            })
            .collect();
        ranges.sort_by_key(|range| range.start);
        let mut out = Vec::new();
        let mut at = 0;
        for range in ranges {
            if range.start >= at {
                out.extend_from_slice(&text[at..range.start]);
                out.extend_from_slice(MASK);
            }
            at = at.max(range.end);
        }
        out.extend_from_slice(&text[at..]);
        out
    }

    proptest! {
        // A small alphabet makes overlaps, repeats and near misses the rule.
        #[test]
        fn whatever_the_pieces_values_are_masked_and_the_rest_is_intact(
            values in prop::collection::vec("[ab\n]{4,7}", 0..4),
            text in prop::collection::vec(prop::sample::select(b"ab\n\x00\xff".to_vec()), 0..200),
            cuts in prop::collection::vec(1_usize..9, 1..20),
        ) {
            let patterns = Patterns::of(values.iter().map(String::as_str));
            let mut redactor = Redactor::new(&patterns).unwrap();
            let mut out = Vec::new();
            let mut rest = text.as_slice();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                redactor.feed(piece, &mut out);
                prop_assert!(redactor.held.len() < 200);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            redactor.finish(&mut out);
            prop_assert_eq!(out, expected(&text, &patterns));
        }
    }
}
