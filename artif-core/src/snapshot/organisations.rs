//! Names of organisations: each behind its length, and records say where, so that a name costs one
//! place in memory.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::format::{Section, Writer};

/// The place of each organisation, in the order of their numbers.
pub(super) struct Places(Vec<U32>);

impl Places {
    /// Writes the names. Longer ones than 65,535 bytes are cut.
    pub(super) fn write(names: &[String], writer: &mut Writer) -> Self {
        let mut text = Vec::new();
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let longest = name.len().min(usize::from(u16::MAX));
            let end = (0..=longest).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            let name = name.get(..end).unwrap_or_default();
            places.push(U32::new(text.len() as u32));
            text.extend_from_slice(&(name.len() as u16).to_le_bytes());
            text.extend_from_slice(name.as_bytes());
        }
        writer.section(Section::OrganisationPlaces, places.as_bytes());
        writer.section(Section::OrganisationNames, &text);
        Self(places)
    }

    pub(super) fn of(&self, organisation: u32) -> Option<u32> {
        self.0.get(organisation as usize).map(|place| place.get())
    }
}

/// The name at a place.
#[inline]
pub(super) fn name(text: &[u8], place: u32) -> Option<&str> {
    let (length, rest) = text.get(place as usize..)?.split_first_chunk()?;
    std::str::from_utf8(rest.get(..usize::from(u16::from_le_bytes(*length)))?).ok()
}

/// The organisation whose name is at a place.
pub(super) fn number(places: &[U32], place: u32) -> Option<u32> {
    places.binary_search_by_key(&place, |place| place.get()).ok().map(|at| at as u32)
}

#[cfg(test)]
mod tests {
    use super::super::format::Sections;
    use super::*;

    #[test]
    fn names_are_found_by_their_places_and_places_lead_back() {
        let names = ["", "Example Hosting", "Ünïcode", &"é".repeat(40_000)].map(str::to_owned);
        let mut writer = Writer::new(0);
        let places = Places::write(&names, &mut writer);
        let file = writer.finish(1, 1);
        let sections = Sections::read(&file).unwrap();
        let text = sections.get(&file, Section::OrganisationNames);
        for (id, full) in (0..).zip(&names) {
            let place = places.of(id).unwrap();
            let found = name(text, place).unwrap();
            assert!(full.starts_with(found) && (found == full || found.len() == 65_534));
            assert_eq!(number(&places.0, place), Some(id));
        }
        assert_eq!(places.of(4), None);
        assert_eq!((name(text, u32::MAX), number(&places.0, 1)), (None, None));
        assert_eq!(name(&text[..3], 2), None);
    }
}
