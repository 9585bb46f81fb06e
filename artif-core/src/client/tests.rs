#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use proptest::prelude::*;
use serde::Deserialize;

use super::{ClientAddress, ClientHeader, Trust, peer_address};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    given: Given,
    when: When,
    then: Then,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    trusted_proxies: Option<Vec<String>>,
    trusted_hops: Option<u16>,
    header: Option<ClientHeader>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    peer: Option<String>,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    client: Option<IpAddr>,
}

fn finder(given: &Given) -> ClientAddress {
    let trust = match (&given.trusted_proxies, given.trusted_hops) {
        (Some(networks), None) => Trust::networks(networks).unwrap(),
        (None, Some(hops)) => Trust::Hops(hops),
        _ => Trust::Nobody,
    };
    ClientAddress::new(trust, given.header.unwrap_or_default()).unwrap()
}

#[test]
fn client_address_vectors() {
    let text = include_str!("../../../tests/conformance/client_address.json");
    let file: Vectors = serde_json::from_str(text).unwrap();
    let mut wrong = Vec::new();
    for vector in &file.vectors {
        let finder = finder(&vector.given);
        let name = finder.header().map_or("", ClientHeader::as_str);
        let sent = vector.when.headers.iter();
        let values: Vec<Vec<u8>> = sent
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            // One character, one byte: so JSON can write any header.
            .map(|(_, value)| value.chars().map(|c| u8::try_from(c).unwrap()).collect())
            .collect();
        let peer = vector.when.peer.as_deref().and_then(peer_address);
        let found = finder.find(peer, values.iter().map(Vec::as_slice));
        if found != vector.then.client {
            wrong.push(format!("{}: {found:?}, expected {:?}", vector.id, vector.then.client));
        }
        // A server that joins occurrences changes nothing.
        if !finder.header.is_single() && !values.is_empty() {
            let joined = values.join(&b", "[..]);
            assert_eq!(finder.find(peer, [&joined[..]]), found, "{} joined", vector.id);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(file.vectors.len() >= 60, "{}", file.vectors.len());
    let mut ids: Vec<&str> = file.vectors.iter().map(|v| v.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), file.vectors.len(), "an id stands twice");
}

/// Ten thousand hops, all of them trusted, and one client at the far end.
#[test]
fn a_long_list_is_read_to_its_end() {
    let finder =
        ClientAddress::new(Trust::networks(["10.0.0.0/8"]).unwrap(), ClientHeader::XForwardedFor);
    let list = format!("203.0.113.9{}", ", 10.1.1.1".repeat(10_000));
    let found = finder.unwrap().find(peer_address("10.0.0.1"), [list.as_bytes()]);
    assert_eq!(found, peer_address("203.0.113.9"));
}

proptest! {
    /// Whatever a client sends stands left of what the proxy adds, and does not matter.
    #[test]
    fn what_the_client_sends_never_matters(
        sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        likely in "(for=|FOR=\"|,|;|\"|\\\\|1\\.2\\.3\\.4|\\[::1\\]| ){0,12}",
        own_occurrence in any::<bool>(),
        hops in any::<bool>(),
        forwarded in any::<bool>(),
    ) {
        let (header, added) = if forwarded {
            (ClientHeader::Forwarded, "for=203.0.113.9;by=10.0.0.1")
        } else {
            (ClientHeader::XForwardedFor, "203.0.113.9")
        };
        let trust =
            if hops { Trust::Hops(1) } else { Trust::networks(["10.0.0.0/8"]).unwrap() };
        let finder = ClientAddress::new(trust, header).unwrap();
        let mut values = sent;
        values.push(likely.into_bytes());
        match values.last_mut() {
            Some(last) if !own_occurrence => last.extend(format!(", {added}").bytes()),
            _ => values.push(added.into()),
        }
        let found = finder.find(peer_address("10.0.0.1"), values.iter().map(Vec::as_slice));
        prop_assert_eq!(found, peer_address("203.0.113.9"));
    }

    #[test]
    fn any_bytes_are_survived(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        hops in 0_u16..5,
    ) {
        for header in [ClientHeader::Forwarded, ClientHeader::XForwardedFor] {
            let finder = ClientAddress::new(Trust::Hops(hops), header).unwrap();
            let found = finder.find(None, values.iter().map(Vec::as_slice));
            prop_assert!(found.is_none_or(|address| !address.is_unspecified()));
        }
    }
}
