//! The 17 threat categories and the four threat levels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, excerpt};

macro_rules! categories {
    ($($variant:ident $name:literal $weight:literal $doc:literal;)*) => {
        /// What a feed says its addresses do, or are.
        ///
        /// The names and the weights (1 mild .. 4 severe) are those of the classic formula.
        ///
        /// ```
        /// use artif_core::Category;
        ///
        /// let category: Category = "c&c".parse().unwrap();
        /// assert_eq!(category, Category::CommandAndControl);
        /// assert_eq!(category.weight(), 4);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Category {
            $(#[doc = $doc] $variant,)*
        }

        impl Category {
            /// All categories, in a fixed order.
            ///
            /// ```
            /// assert_eq!(artif_core::Category::ALL.len(), 17);
            /// ```
            pub const ALL: [Self; 17] = [$(Self::$variant,)*];

            /// The name used in catalogues, configuration and answers.
            ///
            /// ```
            /// assert_eq!(artif_core::Category::CommandAndControl.name(), "c&c");
            /// ```
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The weight in the classic formula, 1 (mild) to 4 (severe).
            ///
            /// ```
            /// assert_eq!(artif_core::Category::Vpn.weight(), 1);
            /// ```
            pub const fn weight(self) -> u8 {
                match self { $(Self::$variant => $weight,)* }
            }
        }
    };
}

categories! {
    Botnet "botnet" 2 "Members of a botnet.";
    Tor "tor" 4 "Tor relays and exits.";
    CommandAndControl "c&c" 4 "Command-and-control servers.";
    Malware "malware" 3 "Hosts that serve or run malware.";
    Spam "spam" 2 "Senders of mail or comment spam.";
    Proxy "proxy" 2 "Open proxies.";
    Vpn "vpn" 1 "VPN egress.";
    Voip "voip" 1 "Attacks on telephony.";
    General "general" 1 "Listed without a reason given.";
    CrawlerBot "crawlerbot" 1 "Crawlers and web bots.";
    Abuse "abuse" 2 "Reported for abuse.";
    Attack "attack" 2 "Attacks on services: brute force, exploits, floods.";
    Recon "recon" 2 "Scanners.";
    Research "research" 1 "Scanners that belong to known research projects.";
    Cloud "cloud" 1 "Cloud and hosting ranges.";
    Miner "miner" 4 "Cryptocurrency miners and their pools.";
    Reputation "reputation" 1 "Lists made of other lists.";
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Category {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(text.trim())).ok_or_else(
            || Error::Invalid {
                what: "category",
                reason: format!(
                    "{:?} is none of {}",
                    excerpt(text),
                    Self::ALL.map(Self::name).join(", ")
                ),
            },
        )
    }
}

impl Serialize for Category {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of categories, one bit each.
///
/// ```
/// use artif_core::{Category, CategorySet};
///
/// let set: CategorySet = [Category::Tor, Category::Proxy].into_iter().collect();
/// assert!(set.contains(Category::Tor) && !set.contains(Category::Spam));
/// assert_eq!(set.iter().count(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CategorySet(u32);

impl CategorySet {
    /// The set with nothing in it.
    pub const EMPTY: Self = Self(0);

    /// One bit a category, in the order of [`Category::ALL`].
    ///
    /// ```
    /// assert_eq!(artif_core::CategorySet::EMPTY.bits(), 0);
    /// ```
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these bits; bits that stand for no category are dropped.
    ///
    /// ```
    /// assert_eq!(artif_core::CategorySet::from_bits(u32::MAX).iter().count(), 17);
    /// ```
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Category::ALL.len()) - 1))
    }

    /// Adds a category.
    ///
    /// ```
    /// let mut set = artif_core::CategorySet::EMPTY;
    /// set.insert(artif_core::Category::Miner);
    /// assert!(!set.is_empty());
    /// ```
    pub fn insert(&mut self, category: Category) {
        self.0 |= 1 << category as u8;
    }

    /// Whether the category is in the set.
    ///
    /// ```
    /// assert!(!artif_core::CategorySet::EMPTY.contains(artif_core::Category::Tor));
    /// ```
    pub const fn contains(self, category: Category) -> bool {
        self.0 & (1 << category as u8) != 0
    }

    /// Everything that is in either.
    ///
    /// ```
    /// use artif_core::{Category, CategorySet};
    /// let a = CategorySet::from_iter([Category::Tor]);
    /// assert_eq!(a.union(CategorySet::EMPTY), a);
    /// ```
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is in it.
    ///
    /// ```
    /// assert!(artif_core::CategorySet::EMPTY.is_empty());
    /// ```
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The categories in it, in the order of [`Category::ALL`].
    ///
    /// ```
    /// assert_eq!(artif_core::CategorySet::EMPTY.iter().next(), None);
    /// ```
    pub fn iter(self) -> impl Iterator<Item = Category> {
        Category::ALL.into_iter().filter(move |category| self.contains(*category))
    }
}

impl FromIterator<Category> for CategorySet {
    fn from_iter<I: IntoIterator<Item = Category>>(iter: I) -> Self {
        let mut set = Self::EMPTY;
        iter.into_iter().for_each(|category| set.insert(category));
        set
    }
}

impl Serialize for CategorySet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for CategorySet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Category>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// MISP's threat level of a feed: 1 high, 2 medium, 3 low, 4 undefined.
///
/// ```
/// use artif_core::ThreatLevel;
///
/// assert_eq!(ThreatLevel::new(1).unwrap(), ThreatLevel::HIGH);
/// assert!(ThreatLevel::new(5).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ThreatLevel(u8);

impl ThreatLevel {
    /// Level 1.
    pub const HIGH: Self = Self(1);
    /// Level 2.
    pub const MEDIUM: Self = Self(2);
    /// Level 3.
    pub const LOW: Self = Self(3);
    /// Level 4.
    pub const UNDEFINED: Self = Self(4);

    /// The level with this number, 1 to 4.
    ///
    /// ```
    /// assert_eq!(artif_core::ThreatLevel::new(3).unwrap().number(), 3);
    /// ```
    pub fn new(number: u8) -> Result<Self> {
        if (1..=4).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Error::Invalid {
                what: "threat level",
                reason: format!("{number} is not 1 (high), 2 (medium), 3 (low) or 4 (undefined)"),
            })
        }
    }

    /// The number, 1 to 4.
    ///
    /// ```
    /// assert_eq!(artif_core::ThreatLevel::HIGH.number(), 1);
    /// ```
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for ThreatLevel {
    fn default() -> Self {
        Self::UNDEFINED
    }
}

impl<'de> Deserialize<'de> for ThreatLevel {
    /// Accepts a number or a string, as MISP writes either.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = ThreatLevel;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a threat level from 1 (high) to 4 (undefined)")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<ThreatLevel, E> {
                ThreatLevel::new(u8::try_from(value).unwrap_or(0)).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<ThreatLevel, E> {
                self.visit_u64(u64::try_from(value).unwrap_or(0))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<ThreatLevel, E> {
                self.visit_u64(value.trim().parse().unwrap_or(0))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_classic_formula() {
        let sum: f64 = Category::ALL.iter().map(|c| 1.0 / (5.0 - f64::from(c.weight()))).sum();
        assert!((sum - 7.25).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn levels_are_read_as_numbers_and_strings() {
        assert_eq!(serde_json::from_str::<ThreatLevel>("\"2\"").unwrap(), ThreatLevel::MEDIUM);
        assert_eq!(serde_json::from_str::<ThreatLevel>("4").unwrap(), ThreatLevel::UNDEFINED);
        assert!(serde_json::from_str::<ThreatLevel>("0").is_err());
        assert!(serde_json::from_str::<ThreatLevel>("\"high\"").is_err());
    }
}
