//! What a feed is about, by the words in its name, its address and its comments.

use crate::category::{Category, CategorySet};

/// Words that point to a category. A word with `*` may go on.
const WORDS: [(Category, &[&str]); 16] = [
    (Category::Tor, &["tor", "onion", "torbulkexitlist", "torlist"]),
    (
        Category::CommandAndControl,
        &[
            "c2*",
            "c&c",
            "cnc",
            "cc",
            "cobalt*",
            "feodo*",
            "metasploit",
            "sliver",
            "ratc2",
            "c2tracker",
        ],
    ),
    (Category::Botnet, &["botnet*", "bots", "mozi", "mirai", "zombie*", "botscout*"]),
    (
        Category::Malware,
        &[
            "malware*",
            "malicious",
            "trojan*",
            "ransom*",
            "stealer*",
            "urlhaus",
            "threatfox",
            "asyncrat",
            "njrat",
            "dcrat",
            "emotet",
            "phishing",
            "exploitkit",
        ],
    ),
    (Category::Spam, &["spam*", "atomspam", "sblam", "stopforumspam", "mail", "smtp", "nixspam"]),
    (Category::Proxy, &["proxy*", "proxies", "socks*", "sslproxies"]),
    (Category::Vpn, &["vpn*", "mullvad*", "protonvpn", "nordvpn", "relay"]),
    (Category::Voip, &["voip", "sip", "asterisk", "voipbl"]),
    (Category::CrawlerBot, &["crawler*", "webbot*", "badbots", "bot", "scraper*", "webcrawler*"]),
    (Category::Abuse, &["abuse*", "abuseipdb"]),
    (
        Category::Attack,
        &[
            "attack*",
            "bruteforce*",
            "brute",
            "ssh*",
            "ftp*",
            "rdp*",
            "ddos",
            "dos",
            "exploit*",
            "log4j",
            "blocklist",
            "honeypot*",
            "fail2ban",
            "sqli",
            "apache",
            "bruteforceblocker",
        ],
    ),
    (Category::Recon, &["scan*", "recon", "portscan*", "probe*", "dshield"]),
    (
        Category::Research,
        &["research*", "censys", "shodan", "shadowserver", "rapid7", "binaryedge"],
    ),
    (
        Category::Cloud,
        &["cloud", "aws", "gcp", "azure", "datacenter*", "hosting", "oracle", "digitalocean"],
    ),
    (Category::Miner, &["miner*", "mining", "xmrig", "monero", "cryptominer*", "coinminer*"]),
    (Category::Reputation, &["reputation", "ipsum", "level1", "level2", "level3", "aggregate*"]),
];

/// By the name, else by the last parts of the address, else by the host and the comments.
pub(super) fn categories(name: &str, url: &str, about: &str) -> CategorySet {
    let before = url.split(['?', '#']).next().unwrap_or(url);
    let path: Vec<&str> = before.split('/').filter(|part| !part.is_empty()).collect();
    let file = path.last().copied().unwrap_or_default();
    let folders = path.get(2..path.len().saturating_sub(1)).unwrap_or_default().join("/");
    let host = path.get(1).copied().unwrap_or_default();
    [name, file, &folders, host, about]
        .into_iter()
        .map(named)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

fn named(text: &str) -> CategorySet {
    // Enough for any name; comments are given by the few lines.
    let text: String = text.chars().take(4096).collect::<String>().to_lowercase();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '&'));
    let mut found = CategorySet::EMPTY;
    for word in words.filter(|word| !word.is_empty()) {
        for (category, patterns) in WORDS {
            let fits = |pattern: &str| match pattern.strip_suffix('*') {
                Some(start) => word.starts_with(start),
                None => word == pattern,
            };
            if patterns.iter().any(|pattern| fits(pattern)) {
                found.insert(category);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, url: &str, about: &str) -> Vec<&'static str> {
        categories(name, url, about).iter().map(Category::name).collect()
    }

    #[test]
    fn the_strongest_hint_wins() {
        for (name, url, about, expected) in [
            ("", "https://x.example/lists/ssh.txt", "", &["attack"][..]),
            ("", "https://x.example/tor/exits.txt", "", &["tor"]),
            ("", "https://check.torproject.org/torbulkexitlist", "", &["tor"]),
            ("Our VPN list", "https://x.example/tor.txt", "", &["vpn"]),
            ("", "https://x.example/list.txt", "Known spammers", &["spam"]),
            ("", "file:///home/x/c2_ips.txt?token=tor", "", &["c&c"]),
            ("", "https://monitor.example/factory.txt", "a story", &[]),
            ("Botnet C&C", "", "", &["botnet", "c&c"]),
        ] {
            assert_eq!(names(name, url, about), expected, "{name:?} {url:?} {about:?}");
        }
    }
}
