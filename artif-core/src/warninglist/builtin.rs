//! The lists that come with this crate.

use super::{Action, Facts, classify};
use crate::config::Warninglists;
use crate::error::Result;
use crate::feed::{FeedId, Format, ParseLimits, parse};
use crate::net::PrefixSet;

/// A list that is always there.
pub(crate) struct Builtin {
    pub(crate) id: FeedId,
    pub(crate) name: String,
    pub(crate) facts: Facts,
    pub(crate) prefixes: PrefixSet,
}

/// The lists built in, as far as the configuration lets them.
pub(crate) fn builtin(config: &Warninglists) -> Result<Vec<Builtin>> {
    if !config.builtin {
        return Ok(Vec::new());
    }
    let documents = [
        ("builtin-public-dns", include_str!("public-dns.json")),
        ("builtin-dns-root", include_str!("dns-root.json")),
    ];
    let lists = documents.into_iter().map(|(name, json)| {
        let id: FeedId = name.parse()?;
        let format = Format::MispWarninglist {};
        let read = parse(&id, &format, &ParseLimits::default(), &mut json.as_bytes())?;
        let mut facts = classify(name, config);
        facts.version = read.report.header.get("version").cloned();
        let name = read.report.header.get("name").cloned().unwrap_or_else(|| name.to_owned());
        Ok(Builtin { id, name, facts, prefixes: read.prefixes })
    });
    let lists: Result<Vec<Builtin>> = lists.collect();
    Ok(lists?.into_iter().filter(|list| list.facts.action != Action::Ignore).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_read_and_both_families_are_there() {
        let lists = builtin(&Warninglists::default()).unwrap();
        for (list, json) in
            lists.iter().zip([include_str!("public-dns.json"), include_str!("dns-root.json")])
        {
            let document: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(list.prefixes.len(), document["list"].as_array().unwrap().len());
            assert!(!list.prefixes.v4().is_empty() && !list.prefixes.v6().is_empty());
            assert!(list.prefixes.iter().all(crate::net::Prefix::is_host));
            assert_eq!(list.facts.action, Action::Cap);
        }
        assert_eq!(lists.len(), 2);
        let off = Warninglists { builtin: false, ..Warninglists::default() };
        assert!(builtin(&off).unwrap().is_empty());
        let ignored =
            Warninglists { ignore: vec!["dns-root".to_owned()], ..Warninglists::default() };
        assert_eq!(builtin(&ignored).unwrap().len(), 1);
    }
}
