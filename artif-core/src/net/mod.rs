//! Networks and addresses: canonical forms, sets of networks, special-purpose ranges.

mod canonical;
#[cfg(target_arch = "x86_64")]
mod dotted;
mod prefix;
mod set;
mod special;
mod text;

pub use canonical::canonical_address;
pub(crate) use canonical::{Canonical, Family};
pub use prefix::{Prefix, Prefix4, Prefix6};
pub use set::PrefixSet;
pub(crate) use special::special_blocks;
pub use special::{SpecialPurpose, special_purpose};
pub use text::address;
pub(crate) use text::{parse_address, parse_v4, parse_v4_padded, parse_v4_start, parse_v6};
