//! Answers of a server that may say anything, see [`crate::fuzzing`].

use serde_json::Value;

use super::{answer, event, lists, page, remote, tags};
use crate::config::{Misp, Warninglists};

/// Each kind of answer, read as each kind.
pub(crate) fn answers(data: &[u8]) {
    let mut count = 0_usize;
    let _ = page::attributes(data, |_| {
        count += 1;
        if count > 1000 { Err(page::Stop("enough".to_owned())) } else { Ok(()) }
    });
    let _ = event::index(data, |event| _ = event.level());
    let Ok(said) = serde_json::from_slice::<Value>(data) else { return };
    for status in [200, 302, 400, 403, 404, 405, 429, 500] {
        assert!(!format!("{:?}", answer::of_json(status, &said)).is_empty());
    }
    let _ = answer::failure_inside(&said);
    for remote in remote::remotes(&said) {
        let _ = (remote.as_ours(), remote.amiss());
    }
    let server = Misp { url: "https://misp.example".to_owned(), ..Misp::default() };
    let _ = lists::there(&said, &server, &Warninglists::default());
    if let Some(name) = said.as_str() {
        let _ = tags::fits(name, name);
    }
}
