//! Answers for many addresses while they are filled in.

use artif_core::{Addresses, AnswerColumns, Pinned};

/// What can be asked of each address, in the order of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Score,
    Verdict,
    State,
    Asn,
    Country,
    Organisation,
    Listed,
    Feeds,
    Categories,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Score,
        Self::Verdict,
        Self::State,
        Self::Asn,
        Self::Country,
        Self::Organisation,
        Self::Listed,
        Self::Feeds,
        Self::Categories,
    ];

    /// Those that are there unless others are asked for: all that is a number.
    pub(crate) const USUAL: [Self; 7] = [
        Self::Score,
        Self::Verdict,
        Self::State,
        Self::Asn,
        Self::Country,
        Self::Listed,
        Self::Categories,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Verdict => "verdict",
            Self::State => "state",
            Self::Asn => "asn",
            Self::Country => "country",
            Self::Organisation => "organisation",
            Self::Listed => "listed",
            Self::Feeds => "feeds",
            Self::Categories => "categories",
        }
    }
}

/// A column for each kind that is wanted, and empty ones for the others.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) kinds: Vec<Kind>,
    /// How many of the addresses were none.
    pub(crate) invalid: usize,
    pub(crate) score: Vec<f64>,
    /// Always there: it says where there was no address.
    pub(crate) verdict: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) asn: Vec<u32>,
    pub(crate) country: Vec<[u8; 2]>,
    pub(crate) organisation: Vec<u32>,
    pub(crate) listed: Vec<u16>,
    pub(crate) feeds: Vec<u32>,
    pub(crate) categories: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds, ..Self::default() }
    }

    /// With so many places in each column that is wanted.
    pub(crate) fn with_places(self, count: usize) -> Self {
        let places = |kind| if self.kinds.contains(&kind) { count } else { 0 };
        Self {
            invalid: 0,
            score: vec![0.0; places(Kind::Score)],
            verdict: vec![0; count],
            state: vec![0; places(Kind::State)],
            asn: vec![0; places(Kind::Asn)],
            country: vec![[0; 2]; places(Kind::Country)],
            organisation: vec![0; places(Kind::Organisation)],
            listed: vec![0; places(Kind::Listed)],
            feeds: vec![0; places(Kind::Feeds)],
            categories: vec![0; places(Kind::Categories)],
            kinds: self.kinds,
        }
    }

    /// Answers for these addresses, from the place `from` on.
    pub(crate) fn fill(
        &mut self,
        pin: &Pinned,
        from: usize,
        addresses: Addresses<'_>,
    ) -> artif_core::Result<()> {
        let places = from..from + addresses.len();
        let mut columns = AnswerColumns::new();
        macro_rules! give {
            ($($field:ident => $setter:ident),*) => {
                $(
                    if let Some(column) = self.$field.get_mut(places.clone())
                        && !column.is_empty()
                    {
                        columns = columns.$setter(column);
                    }
                )*
            };
        }
        give!(score => score, verdict => verdict, state => state, asn => asn, country => country);
        give!(organisation => organisation, listed => listed, feeds => feed_set);
        give!(categories => categories);
        self.invalid += pin.check_into(addresses, &mut columns)?;
        Ok(())
    }

    /// Makes a row that of no address.
    pub(crate) fn blank(&mut self, row: usize) {
        fn put<T>(column: &mut [T], row: usize, value: T) {
            if let Some(place) = column.get_mut(row) {
                *place = value;
            }
        }
        if self.verdict.get(row) != Some(&AnswerColumns::NO_ADDRESS) {
            self.invalid += 1;
        }
        put(&mut self.score, row, f64::NAN);
        put(&mut self.verdict, row, AnswerColumns::NO_ADDRESS);
        put(&mut self.state, row, 0);
        put(&mut self.asn, row, 0);
        put(&mut self.country, row, [0; 2]);
        put(&mut self.organisation, row, u32::MAX);
        put(&mut self.listed, row, 0);
        put(&mut self.feeds, row, 0);
        put(&mut self.categories, row, 0);
    }
}
