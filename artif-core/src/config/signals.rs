//! `[signals]`: what the application itself may say of addresses.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::excerpt;
use crate::signals::kind_id;

/// Evidence that the application adds by itself: failed and successful logins, reports of abuse,
/// loyalty. See [`Engine::signal`](crate::Engine::signal).
///
/// Each `[signals.NAME]` describes one kind; without any, signals are off. Reports of a kind are
/// added up for each address, fade with its half-life, and move the log-odds of the address being
/// bad, on top of what feeds say.
///
/// ```
/// use artif_core::Config;
///
/// let config = Config::from_toml(
///     "[signals.failed_login]\ndanger = 1.2\n[signals.loyal_customer]\ntrust = 2\nlimit = 6\n",
/// )
/// .unwrap();
/// assert_eq!(config.signals.kinds["failed_login"].danger, Some(1.2));
/// assert_eq!(config.signals.capacity, 65_536);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Signals {
    /// For how many pairs of an address and a kind there is room: 64 to 16,777,216, rounded up to
    /// a multiple of 8. Each takes 33 bytes of the file, and of memory as far as it is used.
    pub capacity: u32,
    /// How many leading bits of an IPv6 address stand for one client, 32 to 128.
    pub ipv6_prefix: u8,
    /// An address that signals made worse and whose score is below is suspicious at least, 0 to
    /// 100, though no feed knows it.
    pub suspicious_below: f64,
    /// An address that signals made worse and whose score is below is dangerous, 0 to 100, though
    /// no feed knows it.
    pub dangerous_below: f64,
    /// The kinds by name, at most [`Signals::MAX_KINDS`].
    #[serde(flatten)]
    pub kinds: BTreeMap<String, SignalKind>,
}

/// One kind of signal: `[signals.NAME]`.
///
/// ```
/// use artif_core::config::SignalKind;
///
/// let report = SignalKind::danger(3.0);
/// assert_eq!((report.danger, report.trust, report.limit), (Some(3.0), None, 5.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a kind of signal with `danger` or `trust`, or else one of the keys `capacity`, \
                 `ipv6_prefix`, `suspicious_below`, `dangerous_below`"
)]
#[non_exhaustive]
pub struct SignalKind {
    /// How many log-odds one report adds to the address being **bad**, 0.01 to 20: 0.7 doubles the
    /// odds, 2.3 makes them ten times as high. Either this or `trust`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub danger: Option<f64>,
    /// How many log-odds one report takes from the address being bad, 0.01 to 20. Either this or
    /// `danger`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<f64>,
    /// After how long a report counts half.
    #[serde(with = "crate::duration")]
    pub half_life: Duration,
    /// The most log-odds that all reports of this kind together move an address, up to 40.
    pub limit: f64,
    /// How long after the newest report all of them are forgotten; never, but by fading, where
    /// there is none.
    #[serde(with = "crate::duration::optional", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            ipv6_prefix: 64,
            suspicious_below: 25.0,
            dangerous_below: 10.0,
            kinds: BTreeMap::new(),
        }
    }
}

impl Default for SignalKind {
    fn default() -> Self {
        Self {
            danger: None,
            trust: None,
            half_life: Duration::from_secs(86_400),
            limit: 5.0,
            expires: None,
        }
    }
}

impl SignalKind {
    /// A kind whose reports make an address more dangerous, with a half-life of a day and a limit
    /// of 5.
    ///
    /// ```
    /// assert_eq!(artif_core::config::SignalKind::danger(1.2).half_life.as_secs(), 86_400);
    /// ```
    pub fn danger(log_odds: f64) -> Self {
        Self { danger: Some(log_odds), ..Self::default() }
    }

    /// A kind whose reports make an address more trusted, with a half-life of a day and a limit of
    /// 5.
    ///
    /// ```
    /// assert_eq!(artif_core::config::SignalKind::trust(0.8).trust, Some(0.8));
    /// ```
    pub fn trust(log_odds: f64) -> Self {
        Self { trust: Some(log_odds), ..Self::default() }
    }

    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let weight = |weight: f64| (0.01..=20.0).contains(&weight);
        match (self.danger, self.trust) {
            (Some(_), Some(_)) => {
                return Some(("danger", "stands beside `trust`: give one of them"));
            }
            (None, None) => return Some(("danger", "or `trust` has to be given")),
            (Some(danger), None) if !weight(danger) => {
                return Some(("danger", "has to be within 0.01 to 20"));
            }
            (None, Some(trust)) if !weight(trust) => {
                return Some(("trust", "has to be within 0.01 to 20"));
            }
            _ => {}
        }
        if !(0.01..=40.0).contains(&self.limit) {
            return Some(("limit", "has to be within 0.01 to 40"));
        }
        if self.half_life.is_zero() {
            return Some(("half_life", "has to be longer than nothing"));
        }
        self.expires.filter(Duration::is_zero).map(|_| ("expires", "has to be longer than nothing"))
    }
}

impl Signals {
    /// How many kinds there may be: as many as always have room side by side for one address.
    ///
    /// ```
    /// assert_eq!(artif_core::config::Signals::MAX_KINDS, 8);
    /// ```
    pub const MAX_KINDS: usize = 8;

    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let score = |value: f64| (0.0..=100.0).contains(&value);
        let own = [
            ((64..=1 << 24).contains(&self.capacity), "capacity", "is not within 64 to 16777216"),
            ((32..=128).contains(&self.ipv6_prefix), "ipv6_prefix", "is not within 32 to 128"),
            (score(self.suspicious_below), "suspicious_below", "has to be within 0 to 100"),
            (score(self.dangerous_below), "dangerous_below", "has to be within 0 to 100"),
            (
                self.dangerous_below <= self.suspicious_below,
                "dangerous_below",
                "is above `signals.suspicious_below`",
            ),
        ];
        if let Some((_, key, message)) = own.into_iter().find(|(holds, ..)| !holds) {
            return Some((key, message.to_owned()));
        }
        if self.kinds.len() > Self::MAX_KINDS {
            let count = self.kinds.len();
            return Some(("", format!("has {count} kinds, at most {} count", Self::MAX_KINDS)));
        }
        for (name, kind) in &self.kinds {
            let shown = excerpt(name);
            if let Some(problem) = name_problem(name) {
                return Some(("", format!("has a kind {shown:?}, whose name {problem}")));
            }
            if let Some((key, problem)) = kind.problem() {
                return Some((key, format!("of {shown:?} {problem}")));
            }
            let twin = self.kinds.keys().find(|other| *other < name && same_id(other, name));
            if let Some(twin) = twin {
                return Some(("", format!("cannot tell {twin:?} from {shown:?}: rename one")));
            }
        }
        None
    }
}

fn same_id(one: &str, other: &str) -> bool {
    kind_id(one) == kind_id(other)
}

fn name_problem(name: &str) -> Option<&'static str> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
    if name.is_empty() || name.len() > 48 {
        Some("is not of 1 to 48 characters")
    } else if !name.bytes().all(good) {
        Some("has others than lower-case letters, digits, `_` and `-`")
    } else {
        None
    }
}

/// By hand, as what derive makes of a flattened map forgets in which line a mistake is.
impl<'de> Deserialize<'de> for Signals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections;

        impl<'de> Visitor<'de> for Sections {
            type Value = Signals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the settings and kinds of signals")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Signals, A::Error> {
                let mut signals = Signals::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "capacity" => signals.capacity = map.next_value()?,
                        "ipv6_prefix" => signals.ipv6_prefix = map.next_value()?,
                        "suspicious_below" => signals.suspicious_below = map.next_value()?,
                        "dangerous_below" => signals.dangerous_below = map.next_value()?,
                        _ => {
                            let kind = map.next_value()?;
                            signals.kinds.insert(key, kind);
                        }
                    }
                }
                Ok(signals)
            }
        }

        deserializer.deserialize_map(Sections)
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn kinds_and_settings_stand_side_by_side() {
        let text = "[signals]\ncapacity = 128\n[signals.abuse]\ndanger = 3\nhalf_life = '7d'\n\
                    limit = 6\nexpires = '30d'\n[signals.loyal]\ntrust = 0.5\n";
        let config = Config::from_toml(text).unwrap();
        let signals = &config.signals;
        assert_eq!((signals.capacity, signals.kinds.len()), (128, 2));
        let abuse = &signals.kinds["abuse"];
        assert_eq!((abuse.danger, abuse.trust, abuse.limit), (Some(3.0), None, 6.0));
        assert_eq!(abuse.expires.unwrap().as_secs(), 30 * 86_400);
        // Environment variables go through what is written here.
        let again = config.clone().with_env([("ARTIF_SIGNALS_IPV6_PREFIX", "56")]).unwrap();
        assert_eq!((again.signals.ipv6_prefix, &again.signals.kinds), (56, &signals.kinds));
        let json = r#"{"signals": {"loyal": {"trust": 0.5}}}"#;
        assert_eq!(Config::from_json(json).unwrap().signals.kinds["loyal"].trust, Some(0.5));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("[signals]\ncapcity = 7", "line 2: invalid type: integer `7`, expected a kind of"),
            ("[signals]\ncapcity = 7", "or else one of the keys `capacity`, `ipv6_prefix`,"),
            ("[signals]\ncapacity = 7", "line 2: `signals.capacity` is not within 64 to 16777216"),
            ("[signals]\nipv6_prefix = 16", "`signals.ipv6_prefix` is not within"),
            ("[signals]\ndangerous_below = 30", "is above `signals.suspicious_below`"),
            ("[signals.a]\n", "`signals.danger` of \"a\" or `trust` has to be given"),
            ("[signals.a]\ndanger = 1\ntrust = 1", "of \"a\" stands beside `trust`"),
            ("[signals.a]\ndanger = -1", "has to be within 0.01 to 20"),
            ("[signals.a]\ntrust = nan", "`signals.trust` of \"a\" has to be within"),
            ("[signals.a]\ntrust = 1\nlimit = 41", "`signals.limit` of \"a\" has to be within"),
            ("[signals.a]\ntrust = 1\nhalf_life = '0'", "`signals.half_life` of \"a\" has to be"),
            ("[signals.a]\ntrust = 1\nexpires = '0s'", "`signals.expires` of \"a\" has to be"),
            ("[signals.a]\nweight = 1", "line 2"),
            ("[signals.\"A b\"]\ntrust = 1", "`signals` has a kind \"A b\", whose name has others"),
        ] {
            let error = Config::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let many: Vec<String> = (0..9).map(|n| format!("[signals.k{n}]\ntrust = 1\n")).collect();
        let error = Config::from_toml(&many.concat()).unwrap_err().to_string();
        assert!(error.contains("has 9 kinds, at most 8 count"), "{error}");
    }
}
