//! "Did you mean …?"

/// The candidate `name` was most likely meant to be, if any is close.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Of a name from outside only so much is compared: the distance takes quadratic time.
    let name: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let (distance, best) = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let tolerated = (best.chars().count() / 3).clamp(1, 3);
    (distance <= tolerated).then_some(best)
}

/// `, did you mean "…"?` or nothing, to append to a message.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    closest(name, candidates).map(|best| format!("; did you mean {best:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_offered() {
        let keys = ["asn", "country", "retention", "window"];
        for (name, expected) in [
            ("asnn", Some("asn")),
            ("ASN", Some("asn")),
            ("retentoin", Some("retention")),
            ("windows", Some("window")),
            ("city", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(closest(name, keys), expected, "{name:?}");
        }
        assert_eq!(closest("x", []), None);
        assert_eq!(did_you_mean("contry", keys), "; did you mean \"country\"?");
    }
}
