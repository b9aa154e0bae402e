//! Filters: `title eq "Some Item" or tag eq "banking"`, of which Connect knows these operators alone.

/// Comparisons of which one has to hold.
pub(super) struct Filter(Vec<(String, String)>);

impl Filter {
    /// Reads a filter on one of these attributes. A text is a JSON string, as RFC 7644, section 3.4.2.2 has it.
    pub(super) fn parse(text: &str, attributes: &[&str]) -> Result<Self, ()> {
        let mut rest = text.trim();
        let mut comparisons = Vec::new();
        loop {
            let (attribute, after) = rest.split_once(' ').ok_or(())?;
            if !attributes.contains(&attribute) {
                return Err(());
            }
            let after = after.trim_start().strip_prefix("eq ").ok_or(())?.trim_start();
            let mut strings = serde_json::Deserializer::from_str(after).into_iter::<String>();
            let wanted = strings.next().ok_or(())?.map_err(|_| ())?;
            comparisons.push((attribute.to_owned(), wanted));
            rest = after[strings.byte_offset()..].trim();
            match rest.strip_prefix("or ") {
                Some(more) => rest = more.trim_start(),
                None if rest.is_empty() => return Ok(Filter(comparisons)),
                None => return Err(()),
            }
        }
    }

    /// Whether one of the comparisons holds. Case does not matter, as in SCIM unless a schema says otherwise.
    pub(super) fn matches(&self, attributes: &[(&str, &str)]) -> bool {
        self.0.iter().any(|(attribute, wanted)| {
            let wanted = wanted.to_lowercase();
            attributes.iter().any(|(name, value)| name == attribute && value.to_lowercase() == wanted)
        })
    }
}
