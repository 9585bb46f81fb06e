//! Packed documents from anyone, see [`crate::fuzzing`].

use std::io::{Cursor, Read as _, Seek as _};

use super::spool::{Encoding, Intake, Spool};
use super::unpack::unpack;

const LIMIT: u64 = 1 << 18;

/// What is packed gives no more than the limit, however it is packed and in whatever pieces it comes.
pub(crate) fn packed(data: &[u8]) {
    let [how, data @ ..] = data else { return };
    let encodings = [Encoding::Identity, Encoding::Gzip, Encoding::Brotli, Encoding::Zstd];
    let Some(encoding) = encodings.get(usize::from(how & 3)).copied() else { return };
    for piece in [data.len().max(1), 5] {
        let Ok(mut intake) = Intake::new(encoding, LIMIT) else { continue };
        if data.chunks(piece).all(|piece| intake.take(piece).is_ok())
            && let Ok(spool) = intake.finish()
        {
            check(spool);
        }
    }
    for member in [None, Some("list.txt")] {
        if let Ok(Some(spool)) = unpack(&mut Cursor::new(data), member, LIMIT) {
            check(spool);
        }
    }
}

fn check(mut spool: Spool) {
    let mut bytes = Vec::new();
    spool.file.rewind().and_then(|()| spool.file.read_to_end(&mut bytes)).unwrap_or_default();
    assert_eq!(bytes.len() as u64, spool.length);
    assert!(spool.length <= LIMIT, "{} bytes", spool.length);
}
