//! Durations as configuration writes them: `500ms`, `30s`, `5m`, `1h30m`, `2d`, or a bare number of seconds.

use std::time::Duration;

/// Reads a duration.
///
/// - Units are `ms`, `s`, `m`, `h` and `d`, from large to small, each at most once, without spaces.
/// - A bare number counts seconds.
/// - `None` for anything else, and for what does not fit.
///
/// ```
/// use std::time::Duration;
/// use modelmesh_secrets::duration;
///
/// assert_eq!(duration::parse("1h30m"), Some(Duration::from_secs(5_400)));
/// assert_eq!(duration::parse("300"), Some(Duration::from_secs(300)));
/// assert_eq!(duration::parse("5 minutes"), None);
/// ```
pub fn parse(text: &str) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut larger = usize::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, behind) = behind.split_at(letters);
        let rank = UNITS.iter().position(|(name, _)| *name == unit)?;
        if rank >= larger {
            return None;
        }
        larger = rank;
        let milliseconds = number.parse::<u64>().ok()?.checked_mul(UNITS[rank].1)?;
        total = total.checked_add(Duration::from_millis(milliseconds))?;
        rest = behind;
    }
    (larger != usize::MAX).then_some(total)
}

/// Units in milliseconds, from small to large.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Writes a duration as [`parse`] reads it, to the millisecond.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, milliseconds) in UNITS.iter().rev() {
        if rest >= *milliseconds {
            text.push_str(&(rest / milliseconds).to_string());
            text.push_str(unit);
            rest %= milliseconds;
        }
    }
    text
}

/// The part `share` (0 to 1) of a duration.
pub(crate) fn share(whole: Duration, share: f64) -> Duration {
    // What is near the end of time rounds to after it, and no number is no part.
    Duration::try_from_secs_f64(whole.as_secs_f64() * share).map_or(whole, |part| part.min(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_spelling_is_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("0s", 0),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "s", "1", "1x", "1m1h", "1s1s", "-1s", "1.5s", "1 s", "5M", "99999999999999999999s", "1s "]
        {
            assert_eq!(parse(text).is_some(), text == "1", "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for milliseconds in [0, 1, 999, 1_000, 61_000, 5_400_000, 93_784_005] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(&format(duration)), Some(duration));
        }
    }
}
