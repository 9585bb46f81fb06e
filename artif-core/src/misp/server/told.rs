//! What a server's users said of its attributes: sightings, false positives, expirations.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::Problem;
use super::answer::Failure;
use super::client::Client;
use super::state::Folder;
use crate::clock::Seconds;
use crate::error::Result;

const FILE: &str = "told.json";
const DAY: Seconds = 86_400;
/// For so long a sighting counts.
const WINDOW: Seconds = 90 * DAY;
/// Sightings that are held; of more the newest.
const MOST: usize = 500_000;

const SEEN: u8 = 0;
const FALSE_POSITIVE: u8 = 1;
const EXPIRED: u8 = 2;

/// One sighting: of which attribute, of which kind, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sighting(u64, u8, Seconds);

/// All that count, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    sightings: BTreeMap<u64, Sighting>,
    /// When they were last asked for, by our clock; 0 before.
    asked: Seconds,
}

impl Told {
    pub(crate) fn load(folder: &Folder) -> Self {
        folder.load_file(FILE)
    }

    /// Asks for what was said since the last time, or for all that counts. The server filters by
    /// the day of the sighting, so that a day is asked for twice.
    pub(crate) fn update(
        &mut self,
        client: &Client<'_>,
        folder: &Folder,
        full: bool,
        now: Seconds,
    ) -> Result<()> {
        let since = if full || self.asked == 0 || self.asked > now {
            WINDOW
        } else {
            now.saturating_sub(self.asked).min(WINDOW)
        };
        let doing = "reading sightings";
        // Without an id they are those of all attributes that the key may see.
        let body = json!({ "returnFormat": "json", "last": format!("{}d", since / DAY + 1) });
        let said = client.small(doing, "sightings/restSearch", Some(&body))?;
        let Some(entries) = said.get("response").and_then(Value::as_array) else {
            let detail = "no sightings in it, and not said that there are none";
            return Err(client.error(doing, Failure::new(Problem::Unreadable, detail)));
        };
        if full {
            // Those taken back leave no trace.
            self.sightings.clear();
        }
        self.sightings.extend(entries.iter().filter_map(read));
        self.sightings.retain(|_, said| now.saturating_sub(said.2) <= WINDOW);
        while self.sightings.len() > MOST {
            self.sightings.pop_first();
        }
        self.asked = now;
        folder.save_file(FILE, self)
    }

    /// Identifies what was said.
    pub(crate) fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (id, Sighting(attribute, kind, at)) in &self.sightings {
            hash.update(&id.to_le_bytes());
            hash.update(&attribute.to_le_bytes());
            hash.update(&at.to_le_bytes());
            hash.update(&[*kind]);
        }
        hash.digest()
    }

    /// By attribute.
    pub(crate) fn by_attribute(&self) -> HashMap<u64, Opinion> {
        let mut opinions: HashMap<u64, Opinion> = HashMap::new();
        for Sighting(attribute, kind, at) in self.sightings.values() {
            opinions.entry(*attribute).or_default().0.push((*kind, *at));
        }
        opinions
    }
}

fn read(entry: &Value) -> Option<(u64, Sighting)> {
    let entry = entry.get("Sighting").unwrap_or(entry);
    let number = |key: &str| match entry.get(key)? {
        Value::String(text) => text.trim().parse::<u64>().ok(),
        value => value.as_u64(),
    };
    let kind = u8::try_from(number("type")?).ok()?;
    let at = Seconds::try_from(number("date_sighting")?).ok()?;
    Some((number("id")?, Sighting(number("attribute_id")?, kind, at)))
}

/// What was said of one attribute: kinds and times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opinion(Vec<(u8, Seconds)>);

impl Opinion {
    fn newest(&self, wanted: u8) -> Seconds {
        let of_kind = self.0.iter().filter(|(kind, _)| *kind == wanted);
        of_kind.map(|(_, at)| *at).max().unwrap_or_default()
    }

    /// When it was last seen; 0 for never.
    pub(crate) fn seen(&self) -> Seconds {
        self.newest(SEEN)
    }

    /// Whether an attribute that was changed at this moment no longer counts. Who changes it after
    /// what was said has the last word.
    pub(crate) fn withdraws(&self, changed: Seconds) -> bool {
        let since = |wanted: u8| {
            self.0.iter().filter(|(kind, at)| *kind == wanted && *at >= changed).count()
        };
        let expired = self.newest(EXPIRED);
        since(FALSE_POSITIVE) > since(SEEN)
            || (expired >= changed && expired > 0 && expired >= self.seen())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn who_outweighs_whom() {
        for (said, changed, withdrawn) in [
            (&[][..], 5, false),
            (&[(0, 9)], 5, false),
            (&[(1, 9)], 5, true),
            (&[(1, 4)], 5, false),
            (&[(1, 9), (0, 6)], 5, false),
            (&[(1, 9), (0, 4)], 5, true),
            (&[(1, 9), (1, 7), (0, 8)], 5, true),
            (&[(2, 9)], 5, true),
            (&[(2, 9), (0, 10)], 5, false),
            (&[(2, 4)], 5, false),
            (&[(7, 9)], 5, false),
        ] {
            let opinion = Opinion(said.to_vec());
            assert_eq!(opinion.withdraws(changed), withdrawn, "{said:?}");
        }
    }

    #[test]
    fn sightings_as_the_server_writes_them() {
        let text = json!({"Sighting": {
            "id": "4", "attribute_id": "6418", "event_id": "63", "date_sighting": "1795488892",
            "source": "artif", "type": "0", "value": "192.0.2.100",
        }});
        assert_eq!(read(&text), Some((4, Sighting(6418, 0, 1_795_488_892))));
        assert_eq!(
            read(&json!({"id": 4, "attribute_id": 1, "type": 1, "date_sighting": "x"})),
            None
        );
    }
}
