use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn blocks4(entries: &[Listed<Prefix4>]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    split_active(entries, &mut |_, payload| blocks.push(payload));
    blocks
}

fn hosts(count: u32) -> Vec<Listed<Prefix4>> {
    (0..count).map(|i| (Prefix4::host(i * 43_000 + i % 7), 1_700_000_000)).collect()
}

#[test]
fn a_listed_host_costs_about_three_bytes() {
    let blocks = blocks4(&hosts(50_000));
    let bytes: usize = blocks.iter().map(|block| block.len() + SEAL).sum();
    assert!(bytes < 50_000 * 13 / 4, "{bytes} bytes");
    assert!(blocks.iter().all(|b| b.len() + SEAL <= MAX_BYTES));
}

#[test]
fn blocks_split_by_bytes_too() {
    let entries: Vec<Listed<Prefix6>> = (1..=1024u32)
        .map(|i| (Prefix6::host((u128::from(i) << 117) | u128::from(i)), i * 7919))
        .collect();
    let mut back = Vec::new();
    split_active(&entries, &mut |_, payload| {
        assert!(payload.len() + SEAL <= MAX_BYTES);
        back.extend(decode_active::<Prefix6>(&payload).unwrap());
    });
    assert_eq!(back, entries);
}

#[test]
fn the_whole_address_space_is_a_listing() {
    let all4 = [(Prefix4::new(0, 0).unwrap(), 0), (Prefix4::host(u32::MAX), u32::MAX)];
    assert_eq!(decode(&blocks4(&all4[..1])[0]).unwrap(), Block::Active4(all4[..1].to_vec()));
    assert_eq!(decode(&blocks4(&all4)[0]).unwrap(), Block::Active4(all4.to_vec()));
    let all6 = [(Prefix6::new(0, 0).unwrap(), 1), (Prefix6::host(u128::MAX), 1)];
    for end in 1..=2 {
        split_active(&all6[..end], &mut |_, payload| {
            assert_eq!(decode(&payload).unwrap(), Block::Active6(all6[..end].to_vec()));
        });
    }
}

#[test]
fn a_block_under_another_key_is_damage() {
    let mut block = b"payload".to_vec();
    seal(&mut block, b"one");
    assert_eq!(unseal(&block, b"one").unwrap(), b"payload");
    assert!(unseal(&block, b"two").is_err());
    assert!(unseal(&block[1..], b"one").is_err());
    assert!(unseal(b"short", b"one").is_err());
}

fn prefix4() -> impl Strategy<Value = Prefix4> {
    (any::<u32>(), prop_oneof![3 => Just(32u8), 1 => 0..=32u8])
        .prop_map(|(address, length)| Prefix4::new(address, length).unwrap())
}

fn prefix6() -> impl Strategy<Value = Prefix6> {
    (any::<u128>(), prop_oneof![1 => Just(128u8), 1 => 0..=128u8])
        .prop_map(|(address, length)| Prefix6::new(address, length).unwrap())
}

fn time() -> impl Strategy<Value = Seconds> {
    prop_oneof![2 => Just(1_700_000_000), 2 => 0..5u32, 1 => any::<u32>()]
}

fn active<P: Net>(raw: Vec<(P, Seconds)>) -> Vec<Listed<P>> {
    let map: std::collections::BTreeMap<P, Seconds> = raw.into_iter().collect();
    map.into_iter().collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        four in vec((prefix4(), time()), 0..3000),
        six in vec((prefix6(), time(), time()), 0..1500),
    ) {
        let four = active(four);
        let mut back = Vec::new();
        for block in blocks4(&four) {
            prop_assert!(block.len() + SEAL <= MAX_BYTES);
            back.extend(decode_active::<Prefix4>(&block).unwrap());
        }
        prop_assert_eq!(back, four);

        let six: Vec<Gone<Prefix6>> = six.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut back = Vec::new();
        split_ended(&six, &mut |_, payload| {
            assert!(payload.len() + SEAL <= MAX_BYTES);
            back.extend(decode_ended::<Prefix6>(&payload).unwrap());
        });
        prop_assert_eq!(back, six);
    }

    /// The checksum is left out on purpose: the decoder itself has to hold.
    #[test]
    fn mutated_blocks_never_panic(
        four in vec((prefix4(), time(), time()), 1..200),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let four: Vec<Gone<Prefix4>> = four.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let listed = active(four.iter().map(|e| (e.0, e.1)).collect());
        let mut payloads = blocks4(&listed);
        split_ended(&four, &mut |_, payload| payloads.push(payload));
        for mut payload in payloads {
            prop_assert!(decode(&payload[..cut.index(payload.len())]).is_err());
            for (at, byte) in &edits {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            if let Ok(Block::Active4(entries)) = decode(&payload) {
                prop_assert!(entries.is_sorted());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..300), kind in 0..8u8) {
        let _ = decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        let _ = decode(&bytes);
        let _ = unseal(&bytes, b"key");
    }
}
