//! Which category a list has, and what that means.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{Action, Facts};
use crate::config::Warninglists;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Category {
    id: String,
    name: String,
    action: Action,
    lists: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    category: Vec<Category>,
}

static EMBEDDED: LazyLock<Vec<Category>> = LazyLock::new(|| {
    let read = toml::from_str::<Document>(include_str!("categories.toml"));
    // A test reads it, so that this is no way to lose it.
    read.map(|document| document.category).unwrap_or_default()
});

/// `*` stands for anything, at the start or the end of a pattern.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => pattern == name,
    }
}

/// What a list with this name is about. What the configuration says of the list counts before what
/// it says of the category, and both before what is built in; unknown lists annotate.
pub(crate) fn classify(name: &str, config: &Warninglists) -> Facts {
    let known = EMBEDDED.iter();
    let exact = known.clone().find(|category| category.lists.iter().any(|list| list == name));
    let category = exact.or_else(|| {
        known.clone().find(|category| category.lists.iter().any(|list| fits(list, name)))
    });
    let (id, meaning, action) = category.map_or(("other", "known infrastructure", None), |found| {
        (found.id.as_str(), found.name.as_str(), Some(found.action))
    });
    let said = [
        (&config.ignore, Action::Ignore),
        (&config.annotate, Action::Annotate),
        (&config.cap, Action::Cap),
    ];
    let told = |what: &str| {
        let mut said = said.iter();
        said.find(|(patterns, _)| patterns.iter().any(|pattern| fits(pattern, what)))
            .map(|(_, action)| *action)
    };
    let action = told(name).or_else(|| told(id)).or(action).unwrap_or(Action::Annotate);
    Facts { category: id.to_owned(), meaning: meaning.to_owned(), action, version: None }
}

/// The names of all lists that are known by name and used.
pub(super) fn known_names(config: &Warninglists) -> Vec<String> {
    let names = EMBEDDED.iter().flat_map(|category| &category.lists);
    names
        .filter(|name| !name.contains('*') && !name.starts_with("builtin-"))
        .filter(|name| classify(name, config).action != Action::Ignore)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_embedded_table_is_whole() {
        assert_eq!(EMBEDDED.len(), 12);
        let ids: BTreeSet<_> = EMBEDDED.iter().map(|category| &category.id).collect();
        assert_eq!(ids.len(), EMBEDDED.len());
        let names: Vec<_> = EMBEDDED.iter().flat_map(|category| &category.lists).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "no list has two");
    }

    #[test]
    fn what_can_be_rented_or_hidden_behind_never_clears() {
        let config = Warninglists::default();
        for (name, category, action) in [
            ("public-dns-v4", "public-dns", Action::Cap),
            ("cloudflare", "cdn", Action::Cap),
            ("vpn-ipv4", "vpn", Action::Annotate),
            ("amazon-aws", "cloud", Action::Annotate),
            ("microsoft-azure-france", "cloud", Action::Annotate),
            ("somebody-nt-scanning", "scanner", Action::Annotate),
            ("rfc1918", "special-purpose", Action::Ignore),
            ("never-heard-of", "other", Action::Annotate),
        ] {
            let facts = classify(name, &config);
            assert_eq!((&*facts.category, facts.action), (category, action), "{name}");
        }
        let open = EMBEDDED.iter().filter(|c| ["cloud", "vpn", "scanner"].contains(&&*c.id));
        assert!(open.clone().all(|category| category.action == Action::Annotate));
        assert_eq!(open.count(), 3);
    }

    #[test]
    fn the_configuration_decides_list_before_category() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let config = Warninglists {
            ignore: names(&["cdn", "public-dns-*"]),
            cap: names(&["fastly", "ours"]),
            annotate: names(&["service"]),
            ..Warninglists::default()
        };
        let action = |name: &str| classify(name, &config).action;
        assert_eq!(action("akamai"), Action::Ignore);
        assert_eq!(action("fastly"), Action::Cap);
        assert_eq!(action("ours"), Action::Cap);
        assert_eq!(action("public-dns-v6"), Action::Ignore);
        assert_eq!(action("apple"), Action::Annotate);
        assert!(!known_names(&config).contains(&"akamai".to_owned()));
    }
}
