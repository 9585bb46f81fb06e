//! What tags say: which categories, how sure.

use std::collections::BTreeMap;

use crate::category::{Category, CategorySet};
use crate::config::Misp;

use Category::{
    Abuse, Attack, Botnet, CommandAndControl, CrawlerBot, General, Malware, Miner, Proxy, Recon,
    Research, Spam, Tor, Voip, Vpn,
};

/// Categories by tag, the first pattern that fits; `*` stands for anything, case does not matter.
/// In the docs of [`crate::misp`].
pub(crate) const CATEGORIES: &[(&str, &[Category])] = &[
    // Plain names, as feeds and analysts write them.
    ("c2", &[CommandAndControl]),
    ("cnc", &[CommandAndControl]),
    ("*command-and-control*", &[CommandAndControl]),
    ("*command and control*", &[CommandAndControl]),
    ("ddos*", &[Attack]),
    ("dos", &[Attack]),
    ("brute*force*", &[Attack]),
    ("ssh", &[Attack]),
    ("exploit*", &[Attack]),
    ("scan", &[Recon]),
    ("scanner*", &[Recon]),
    ("scanning", &[Recon]),
    ("reconnaissance", &[Recon]),
    ("crawler", &[CrawlerBot]),
    ("bot", &[CrawlerBot]),
    ("phishing", &[Abuse]),
    ("ransomware", &[Malware]),
    ("trojan", &[Malware]),
    ("osint", &[]),
    // Galaxies.
    ("misp-galaxy:botnet=*", &[Botnet]),
    ("misp-galaxy:cryptominers=*", &[Miner]),
    ("misp-galaxy:ransomware=*", &[Malware]),
    ("misp-galaxy:malpedia=*", &[Malware]),
    ("misp-galaxy:mitre-malware=*", &[Malware]),
    ("misp-galaxy:mitre-tool=*", &[Malware]),
    ("misp-galaxy:tool=*", &[Malware]),
    ("misp-galaxy:rat=*", &[Malware]),
    ("misp-galaxy:stealer=*", &[Malware]),
    ("misp-galaxy:banker=*", &[Malware]),
    ("misp-galaxy:backdoor=*", &[Malware]),
    ("misp-galaxy:exploit-kit=*", &[Malware]),
    ("misp-galaxy:android=*", &[Malware]),
    ("misp-galaxy:threat-actor=*", &[Attack]),
    ("misp-galaxy:mitre-intrusion-set=*", &[Attack]),
    ("misp-galaxy:mitre-attack-pattern=*t1595*", &[Recon]),
    ("misp-galaxy:mitre-attack-pattern=*t1046*", &[Recon]),
    ("misp-galaxy:mitre-attack-pattern=*t1110*", &[Attack]),
    ("misp-galaxy:mitre-attack-pattern=*t1190*", &[Attack]),
    ("misp-galaxy:mitre-attack-pattern=*t1498*", &[Attack]),
    ("misp-galaxy:mitre-attack-pattern=*t1499*", &[Attack]),
    ("misp-galaxy:mitre-attack-pattern=*t1071*", &[CommandAndControl]),
    ("misp-galaxy:mitre-attack-pattern=*t1090*", &[Proxy]),
    ("misp-galaxy:mitre-attack-pattern=*t1496*", &[Miner]),
    // Taxonomies.
    ("kill-chain:reconnaissance", &[Recon]),
    ("kill-chain:delivery", &[Malware]),
    ("kill-chain:exploitation", &[Attack]),
    ("kill-chain:*", &[General]),
    ("circl:incident-classification=\"scan\"", &[Recon]),
    ("circl:incident-classification=\"spam\"", &[Spam]),
    ("circl:incident-classification=\"phishing\"", &[Abuse]),
    ("circl:incident-classification=\"malware\"", &[Malware]),
    ("circl:incident-classification=\"denial-of-service\"", &[Attack]),
    ("circl:incident-classification=*", &[Attack]),
    ("rsit:abusive-content=\"spam\"", &[Spam]),
    ("rsit:abusive-content=*", &[Abuse]),
    ("rsit:malicious-code=\"c2-server\"", &[CommandAndControl]),
    ("rsit:malicious-code=*", &[Malware]),
    ("rsit:information-gathering=\"scanner\"", &[Recon]),
    ("rsit:information-gathering=*", &[Recon]),
    ("rsit:intrusion*", &[Attack]),
    ("rsit:availability=*", &[Attack]),
    ("rsit:fraud=*", &[Abuse]),
    ("ecsirt:abusive-content=\"spam\"", &[Spam]),
    ("ecsirt:malicious-code=\"c&c\"", &[CommandAndControl]),
    ("ecsirt:malicious-code=\"botnet-drone\"", &[Botnet]),
    ("ecsirt:malicious-code=*", &[Malware]),
    ("ecsirt:information-gathering=*", &[Recon]),
    ("ecsirt:intrusion*", &[Attack]),
    ("ecsirt:availability=*", &[Attack]),
    ("ms-caro-malware*", &[Malware]),
    ("malware_classification:*", &[Malware]),
    ("veris:action:malware*", &[Malware]),
    ("enisa:nefarious-activity-abuse=\"*botnet*\"", &[Botnet]),
    ("enisa:nefarious-activity-abuse=\"*denial-of-service*\"", &[Attack]),
    ("enisa:nefarious-activity-abuse=*", &[Abuse]),
    ("voip*", &[Voip]),
    ("*tor-exit*", &[Tor]),
    ("tor:*", &[Tor]),
    ("*vpn*", &[Vpn]),
    ("*research*scan*", &[Research]),
];

/// Confidence in percent by tag: the middle of the range that the word stands for.
pub(crate) const CONFIDENCE: &[(&str, u8)] = &[
    ("admiralty-scale:source-reliability=\"a\"", 100),
    ("admiralty-scale:source-reliability=\"b\"", 75),
    ("admiralty-scale:source-reliability=\"c\"", 50),
    ("admiralty-scale:source-reliability=\"d\"", 25),
    ("admiralty-scale:source-reliability=\"e\"", 0),
    ("admiralty-scale:information-credibility=\"1\"", 100),
    ("admiralty-scale:information-credibility=\"2\"", 75),
    ("admiralty-scale:information-credibility=\"3\"", 50),
    ("admiralty-scale:information-credibility=\"4\"", 25),
    ("admiralty-scale:information-credibility=\"5\"", 0),
    ("estimative-language:likelihood-probability=\"almost-no-chance\"", 3),
    ("estimative-language:likelihood-probability=\"very-unlikely\"", 12),
    ("estimative-language:likelihood-probability=\"unlikely\"", 32),
    ("estimative-language:likelihood-probability=\"roughly-even-chance\"", 50),
    ("estimative-language:likelihood-probability=\"likely\"", 68),
    ("estimative-language:likelihood-probability=\"very-likely\"", 88),
    ("estimative-language:likelihood-probability=\"almost-certain\"", 97),
    ("estimative-language:confidence-in-analytic-judgment=\"low\"", 25),
    ("estimative-language:confidence-in-analytic-judgment=\"moderate\"", 50),
    ("estimative-language:confidence-in-analytic-judgment=\"high\"", 85),
    ("misp:confidence-level=\"completely-confident\"", 100),
    ("misp:confidence-level=\"usually-confident\"", 75),
    ("misp:confidence-level=\"fairly-confident\"", 50),
    ("misp:confidence-level=\"rarely-confident\"", 25),
    ("misp:confidence-level=\"unconfident\"", 0),
];

/// Whether a name fits a pattern: `*` stands for anything, the case of ASCII letters is no matter.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // Where to go on when what follows the last star does not fit: one byte further.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let (wanted, got) = (pattern.get(p), name.get(n));
        match (wanted, got) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(wanted), Some(got)) if wanted.eq_ignore_ascii_case(got) => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                None => return false,
                Some((at, from)) => {
                    *from += 1;
                    (p, n) = (*at + 1, *from);
                }
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

pub(crate) fn any_fits<'a>(
    patterns: &[String],
    names: impl IntoIterator<Item = &'a String>,
) -> bool {
    names.into_iter().any(|name| patterns.iter().any(|pattern| fits(pattern, name)))
}

fn custom<T: Copy>(table: &BTreeMap<String, T>, tag: &str) -> Option<T> {
    // The name itself before patterns.
    let exact = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
    exact.or_else(|| table.iter().find(|(pattern, _)| fits(pattern, tag))).map(|(_, value)| *value)
}

/// The categories that tags stand for: those of the configuration, else the name of one, else the
/// table; `General` where none says anything.
pub(crate) fn categories<'a>(
    server: &Misp,
    tags: impl IntoIterator<Item = &'a String>,
) -> CategorySet {
    let mut set = CategorySet::EMPTY;
    for tag in tags {
        let of_tag = custom(&server.categories, tag).or_else(|| {
            let named = tag.parse::<Category>().ok().map(|c| CategorySet::from_iter([c]));
            let table = || CATEGORIES.iter().find(|(pattern, _)| fits(pattern, tag));
            named.or_else(|| table().map(|(_, found)| found.iter().copied().collect()))
        });
        set = set.union(of_tag.unwrap_or_default());
    }
    if set.is_empty() { CategorySet::from_iter([General]) } else { set }
}

/// The confidence that tags stand for in percent, the lowest where there are several.
pub(crate) fn confidence<'a>(
    server: &Misp,
    tags: impl IntoIterator<Item = &'a String>,
) -> Option<u8> {
    let of_tag = |tag: &String| {
        let table = || CONFIDENCE.iter().find(|(pattern, _)| fits(pattern, tag));
        custom(&server.confidence, tag).or_else(|| table().map(|(_, percent)| *percent))
    };
    tags.into_iter().filter_map(of_tag).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("tlp:red", "TLP:RED", true),
            ("tlp:*", "tlp:amber+strict", true),
            ("tlp:*", "tlp", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*t1110*", "Brute Force - T1110", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a**", "a", true),
            ("*é", "caf\u{e9}", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_tags_stand_for() {
        let mut server = Misp::default();
        let tags = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let names = |server: &Misp, of: &[&str]| -> Vec<&str> {
            categories(server, &tags(of)).iter().map(Category::name).collect()
        };
        for (of, expected) in [
            (&["botnet", "C2"][..], &["botnet", "c&c"][..]),
            (&["tlp:white", "osint"], &["general"]),
            (&[], &["general"]),
            (&["misp-galaxy:ransomware=\"LockBit\""], &["malware"]),
            (&["misp-galaxy:mitre-attack-pattern=\"Active Scanning - T1595\""], &["recon"]),
            (&["kill-chain:Command and Control"], &["c&c"]),
            (&["Tor"], &["tor"]),
            (&["rsit:malicious-code=\"c2-server\""], &["c&c"]),
        ] {
            assert_eq!(names(&server, of), expected, "{of:?}");
        }
        server.categories.insert("osint".into(), CategorySet::from_iter([Category::Reputation]));
        server.categories.insert("botnet*".into(), CategorySet::EMPTY);
        assert_eq!(names(&server, &["OSINT", "botnet", "spam"]), ["spam", "reputation"]);

        let sure = |server: &Misp, of: &[&str]| confidence(server, &tags(of));
        let scale = "admiralty-scale:source-reliability=\"b\"";
        let likely = "estimative-language:likelihood-probability=\"likely\"";
        assert_eq!(sure(&server, &[scale]), Some(75));
        assert_eq!(sure(&server, &[scale, likely, "x"]), Some(68), "the lowest");
        assert_eq!(sure(&server, &["x"]), None);
        server.confidence.insert("x".into(), 7);
        assert_eq!(sure(&server, &["x"]), Some(7));
    }

    proptest! {
        #[test]
        fn fits_as_a_regex_would(pattern in "[ab*]{0,8}", name in "[abAB]{0,10}") {
            let regex = format!("(?i)^{}$", pattern.replace('*', ".*"));
            let expected = regex::Regex::new(&regex).unwrap().is_match(&name);
            prop_assert_eq!(fits(&pattern, &name), expected);
        }
    }
}
