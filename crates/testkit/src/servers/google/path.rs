//! Paths, taken apart.

use percent_encoding::percent_decode_str;

/// What a path names: `projects/P[/locations/L]/…`, and what is done with it.
pub(super) struct Target {
    pub(super) location: Option<String>,
    pub(super) place: Place,
    pub(super) action: Option<String>,
}

pub(super) enum Place {
    /// `secrets`
    Secrets,
    /// `secrets/S`
    Secret(String),
    /// `secrets/S/versions`
    Versions(String),
    /// `secrets/S/versions/V`
    Version(String, String),
}

impl Target {
    /// Reads the segments after that of the project, still encoded: the colon of an action is not.
    pub(super) fn of(mut segments: Vec<&str>) -> Option<Target> {
        let action = segments.last()?.rsplit_once(':').map(|(_, action)| action.to_owned());
        if let (Some(last), Some(action)) = (segments.last_mut(), &action) {
            *last = &last[..last.len() - action.len() - 1];
        }
        let segments: Vec<String> = segments.into_iter().map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (location, segments) = match segments.as_slice() {
            ["locations", location, rest @ ..] => (Some((*location).to_owned()), rest),
            all => (None, all),
        };
        let place = match segments {
            ["secrets"] => Place::Secrets,
            ["secrets", secret] => Place::Secret((*secret).to_owned()),
            ["secrets", secret, "versions"] => Place::Versions((*secret).to_owned()),
            ["secrets", secret, "versions", version] => {
                Place::Version((*secret).to_owned(), (*version).to_owned())
            }
            _ => return None,
        };
        Some(Target { location, place, action })
    }
}

/// A segment without its encoding.
pub(super) fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
