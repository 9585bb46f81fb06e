//! Names of organisations: one text in which each stands behind its length, and records say where,
//! so that a name costs one place in memory.
//!
//! Lengths are written in ASCII, in one character below 127, else as that and two digits to the base
//! of 128, the lower first. So all of it is text, which is checked once and not for each name: the
//! check of a name ends where the name does, which no processor guesses, and a wrong guess keeps it
//! from working on several lookups at once.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::format::{Section, Writer};

const LONG: u8 = 0x7f;
const LONGEST: usize = (1 << 14) - 1;

/// The place of each organisation, in the order of their numbers.
pub(super) struct Places(Vec<U32>);

impl Places {
    /// Writes the names. Longer ones than 16,383 bytes are cut.
    pub(super) fn write(names: &[String], writer: &mut Writer) -> Self {
        let mut text = Vec::new();
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let longest = name.len().min(LONGEST);
            let end = (0..=longest).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            places.push(U32::new(text.len() as u32));
            if end < usize::from(LONG) {
                text.push(end as u8);
            } else {
                text.extend([LONG, (end % 128) as u8, (end / 128) as u8]);
            }
            text.extend_from_slice(name.get(..end).unwrap_or_default().as_bytes());
        }
        writer.section(Section::OrganisationPlaces, places.as_bytes());
        writer.section(Section::OrganisationNames, &text);
        Self(places)
    }

    pub(super) fn of(&self, organisation: u32) -> Option<u32> {
        self.0.get(organisation as usize).map(|place| place.get())
    }
}

/// The name at a place in checked text; nothing that is cut off or no text of its own.
#[inline]
pub(super) fn name(text: &str, place: u32) -> Option<&str> {
    let (start, length) = place_of(text.as_bytes(), place)?;
    text.get(start..start + length)
}

/// The same in text that was not checked.
pub(super) fn name_unchecked(text: &[u8], place: u32) -> Option<&str> {
    let (start, length) = place_of(text, place)?;
    std::str::from_utf8(text.get(start..start + length)?).ok()
}

#[inline]
fn place_of(text: &[u8], place: u32) -> Option<(usize, usize)> {
    let place = place as usize;
    match *text.get(place)? {
        LONG => {
            let [low, high] = text.get(place + 1..)?.first_chunk()?;
            Some((place + 3, usize::from(*low) + 128 * usize::from(*high)))
        }
        length => Some((place + 1, usize::from(length))),
    }
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
        let long = |length: usize| "é".repeat(length / 2) + &"x".repeat(length % 2);
        let names: Vec<String> = [0, 1, 2, 125, 126, 127, 128, 129, 255, 5000, 16_383, 16_384]
            .map(long)
            .into_iter()
            .chain(["Example Hosting".to_owned()])
            .collect();
        let mut writer = Writer::new(0);
        let places = Places::write(&names, &mut writer);
        let file = writer.finish(1, 1);
        let sections = Sections::read(&file).unwrap();
        let bytes = sections.get(&file, Section::OrganisationNames);
        let text = std::str::from_utf8(bytes).unwrap();
        for (id, full) in (0..).zip(&names) {
            let place = places.of(id).unwrap();
            let found = name(text, place).unwrap();
            assert!(full.starts_with(found) && (found == full || found.len() == 16_382));
            assert_eq!(name_unchecked(bytes, place), Some(found));
            assert_eq!(number(&places.0, place), Some(id));
        }
        assert_eq!((places.of(99), number(&places.0, 2)), (None, None));
    }

    #[test]
    fn any_place_in_any_text_gives_text_or_nothing() {
        let text = "\u{2}é\u{7f}\u{1}\u{7f}xyé\u{3}é!";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for place in (0..20).chain([u32::MAX]) {
                let found = name(&text[..end], place);
                assert_eq!(found, name_unchecked(&text.as_bytes()[..end], place));
            }
        }
    }
}
