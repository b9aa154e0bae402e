//! The plan as people read it.

use modelmesh_secrets::printable;

use super::{Document, Explained, Opened, Store, Use, forecast::Asked};
use crate::{
    failure::Result,
    output::{Output, style},
};

pub(super) fn tell(explained: &Explained<'_>, output: &mut Output) -> Result<()> {
    let Explained { file, references, documents, stores, opened, totals, .. } = explained;
    let (strong, file) = (style::STRONG, printable(file));
    if *references == 0 {
        return output.line(format_args!("no references, so no store is asked ({file})"));
    }
    output.line(format_args!(
        "{strong}{} to {} in {}{strong:#} ({file})",
        count(*references, "reference"),
        count(*documents, "document"),
        count(stores.len(), "store"),
    ))?;
    for store in stores {
        tell_store(store, output)?;
    }
    tell_opening(opened, output)?;
    output.line(format_args!("\n{strong}Together{strong:#}"))?;
    output.line(format_args!("  at the start  at most {}", count(totals.calls_at_start, "call")))?;
    let cost = totals.micro_usd_a_month.map(|cost| format!(", {}", usd(cost))).unwrap_or_default();
    let unkept: Vec<String> =
        totals.call_for_each_read.iter().map(|store| format!("'{}'", printable(store))).collect();
    let reads = match &unkept[..] {
        [] => String::new(),
        stores => format!("; and one call for each read of {}", stores.join(", ")),
    };
    output.line(format_args!("  a month       at most {}{cost}{reads}", calls(totals.calls_a_month)))?;
    output.line(
        "\nA month is 30 days of one process, if every secret is there and is used all the time. Failed calls and\n\
         values that expire early come on top.",
    )?;
    output.note("no store was asked: whether the secrets are there was not judged");
    Ok(())
}

fn tell_store(store: &Store<'_>, output: &mut Output) -> Result<()> {
    let strong = style::STRONG;
    output.line(format_args!(
        "\n{strong}{}{strong:#}  {}",
        printable(store.name),
        printable(&store.backing)
    ))?;
    for (at, asked) in store.asked.iter().enumerate() {
        if store.is_chain {
            let order = if at == 0 { "first" } else { "then" };
            let rest = if at == 0 { "" } else { ", for what is not found before" };
            let Asked { store, connector, .. } = asked;
            output.line(format_args!("  {order} {}  {connector}{rest}", printable(store)))?;
        }
        tell_asked(asked, store, at > 0, output)?;
    }
    output.line("  documents")?;
    tell_documents(&store.documents, output)
}

fn tell_asked(asked: &Asked<'_>, store: &Store<'_>, is_later: bool, output: &mut Output) -> Result<()> {
    let indent = if store.is_chain { "    " } else { "  " };
    let batch = match asked.batch {
        None => "all names in one call".to_owned(),
        Some(1) => "one name a call".to_owned(),
        Some(names) => format!("up to {names} names a call"),
    };
    let has_versions = store.documents.iter().any(|document| document.secret_version.is_some());
    let versions = if has_versions { ", each version by itself" } else { "" };
    let at_most = if is_later { "at most " } else { "" };
    output.line(format_args!(
        "{indent}at the start  {at_most}{} for {}, {batch}{versions}",
        count(asked.calls_at_start, "call"),
        count(store.documents.len(), "document"),
    ))?;
    let kept = &asked.resolution;
    let parameters = if asked.cached {
        format!(
            "cache_ttl {}, ttl_jitter {}, refresh_ahead {}, negative_ttl {}, max_stale {}, max_in_flight {}",
            kept.cache_ttl,
            kept.ttl_jitter,
            kept.refresh_ahead,
            kept.negative_ttl,
            kept.max_stale,
            kept.max_in_flight,
        )
    } else {
        format!("not cached, max_in_flight {}", kept.max_in_flight)
    };
    output.line(format_args!("{indent}resolution    {parameters}"))?;
    let month = match asked.calls_a_month {
        Some(most) => format!("at most {}", calls(most)),
        None => "one call for each read".to_owned(),
    };
    let cost = asked.cost.as_ref().map(|cost| {
        let list = format!("list price of {}: {}", cost.price_as_of, cost.price_source);
        match cost.micro_usd_a_month {
            Some(amount) => format!(", {} ({list})", usd(amount)),
            None => {
                format!(", {} for a million ({list})", usd(cost.micro_usd_a_call.saturating_mul(1_000_000)))
            }
        }
    });
    output.line(format_args!("{indent}a month       {month}{}", cost.unwrap_or_default()))
}

/// A line for each place: the document, the field, the place, the provider.
fn tell_documents(documents: &[Document<'_>], output: &mut Output) -> Result<()> {
    let faint = style::FAINT;
    let names: Vec<String> = documents.iter().map(title).collect();
    let field =
        |place: &Use<'_>| place.field.map(|field| format!("#{}", printable(field))).unwrap_or_default();
    let uses = || documents.iter().flat_map(|document| &document.uses);
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let field_width = uses().map(|place| field(place).chars().count()).max().unwrap_or_default();
    let path_width = uses().map(|place| place.path.chars().count()).max().unwrap_or_default();
    let field_gap = if field_width > 0 { "  " } else { "" };
    for (name, document) in names.iter().zip(documents) {
        for (at, place) in document.uses.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let head = format!("{name:<name_width$}{field_gap}{:<field_width$}", field(place));
            let path = &place.path;
            match place.provider {
                Some(provider) => output.line(format_args!(
                    "    {head}  {path:<path_width$}  {faint}{}{faint:#}",
                    printable(provider)
                ))?,
                None => output.line(format_args!("    {head}  {path}"))?,
            }
        }
    }
    Ok(())
}

/// A document as a reference writes it.
fn title(document: &Document<'_>) -> String {
    let version = document.secret_version.as_deref();
    let version = version.map(|version| format!("?version={}", printable(version))).unwrap_or_default();
    format!("{}{version}", printable(&document.name))
}

/// Which stores are opened before which, where any needs another.
fn tell_opening(opened: &[Opened<'_>], output: &mut Output) -> Result<()> {
    if opened.iter().all(|store| store.needs.is_empty()) {
        return Ok(());
    }
    let strong = style::STRONG;
    output.line(format_args!("\n{strong}Opened in this order{strong:#}"))?;
    let width = opened.iter().map(|store| store.name.len()).max().unwrap_or_default();
    for Opened { name, needs, reads, calls } in opened {
        if needs.is_empty() {
            output.line(format_args!("  {name}"))?;
            continue;
        }
        let reads: Vec<String> =
            reads.iter().map(|read| format!("'{}' of {}", printable(read.name), read.store)).collect();
        let why = if reads.is_empty() {
            String::new()
        } else {
            format!(": its settings need {} ({})", reads.join(", "), count(*calls, "call"))
        };
        output.line(format_args!("  {name:<width$}  after {}{why}", needs.join(", ")))?;
    }
    Ok(())
}

fn count(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn calls(count: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} call{s}", grouped(count))
}

/// Whole cents, rounded up: a forecast that says nothing costs nothing would be wrong.
fn usd(micro_usd: u64) -> String {
    let cents = micro_usd.div_ceil(10_000);
    format!("{}.{:02} USD", grouped(cents / 100), cents % 100)
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 999, 1_000, 22_737, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "22,737", "1,234,567"]);
    }

    #[test]
    fn money_is_rounded_up_to_a_cent() {
        let shown = [0, 1, 10_000, 10_001, 56_845, 1_234_560_000].map(usd);
        assert_eq!(shown, ["0.00 USD", "0.01 USD", "0.01 USD", "0.02 USD", "0.06 USD", "1,234.56 USD"]);
    }
}
