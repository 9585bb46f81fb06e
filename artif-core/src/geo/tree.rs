//! The search tree of a MaxMind DB file, walked in address order.
//!
//! Not `maxminddb`'s own iterator: a damaged tree whose nodes point at each other has more paths
//! than anyone can wait for, so the steps are counted here.

/// The tree: `node_count` nodes of two records each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) node_count: u32,
    /// Bits of one record: 24, 28 or 32.
    pub(super) record_size: u16,
}

/// The tree is no tree, or deeper than an address has bits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DamagedTree;

impl Tree<'_> {
    /// What one side of a node leads to: a node (below `node_count`), nothing (`node_count`), or a
    /// record. Outside the file there is nothing.
    fn child(&self, node: u32, right: bool) -> u32 {
        let width = usize::from(self.record_size) / 4;
        let start = node as usize * width;
        let Some(bytes) = self.bytes.get(start..start + width) else {
            return self.node_count;
        };
        match (bytes, right) {
            (&[a, b, c, _, _, _], false) | (&[_, _, _, a, b, c], true) => {
                u32::from_be_bytes([0, a, b, c])
            }
            (&[a, b, c, high, _, _, _], false) => u32::from_be_bytes([high >> 4, a, b, c]),
            (&[_, _, _, high, a, b, c], true) => u32::from_be_bytes([high & 15, a, b, c]),
            (&[a, b, c, d, _, _, _, _], false) | (&[_, _, _, _, a, b, c, d], true) => {
                u32::from_be_bytes([a, b, c, d])
            }
            _ => self.node_count,
        }
    }

    /// Where 96 zero bits lead: the root of the IPv4 tree inside an IPv6 one, or the record or
    /// nothing met before.
    pub(super) fn ipv4_root(&self) -> u32 {
        let mut node = 0;
        for _ in 0..96 {
            if node >= self.node_count {
                break;
            }
            node = self.child(node, false);
        }
        node
    }

    /// Calls `visit` with the first address of every leaf below `root`, in ascending order without
    /// gaps, and the record it leads to: `None` for nothing, and for every way to `skip`.
    pub(super) fn walk(
        &self,
        root: u32,
        bits: u8,
        skip: Option<u32>,
        mut visit: impl FnMut(u128, Option<u32>),
    ) -> Result<(), DamagedTree> {
        // In a tree each node is entered once; writers that share equal branches enter some again.
        let mut budget = self.node_count.saturating_mul(4).saturating_add(1024);
        let mut stack = vec![(root, 0_u128, bits)];
        while let Some((node, address, left)) = stack.pop() {
            if skip == Some(node) || node == self.node_count {
                visit(address, None);
            } else if node > self.node_count {
                visit(address, Some(node));
            } else {
                budget = budget.checked_sub(1).ok_or(DamagedTree)?;
                let left = left.checked_sub(1).ok_or(DamagedTree)?;
                stack.push((self.child(node, true), address | 1 << left, left));
                stack.push((self.child(node, false), address, left));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn leaves(bytes: &[u8], count: u32, bits: u8) -> Result<Vec<(u128, Option<u32>)>, DamagedTree> {
        let mut out = Vec::new();
        let tree = Tree { bytes, node_count: count, record_size: 24 };
        tree.walk(0, bits, None, |address, record| out.push((address, record)))?;
        Ok(out)
    }

    #[test]
    fn leaves_come_in_order() {
        let bytes = [0, 0, 20, 0, 0, 1, 0, 0, 2, 0, 0, 21];
        let found = leaves(&bytes, 2, 8).unwrap();
        assert_eq!(found, [(0, Some(20)), (128, None), (192, Some(21))]);
    }

    #[test]
    fn a_tree_that_bites_its_tail_is_refused() {
        assert_eq!(leaves(&[0, 0, 0, 0, 0, 0], 1, 128), Err(DamagedTree));
        // Two nodes that both lead twice to the next: 2^128 paths in a file of a few bytes.
        let chain: Vec<u8> = (1..=127).flat_map(|next| [0, 0, next, 0, 0, next]).collect();
        assert_eq!(leaves(&chain, 127, 128), Err(DamagedTree));
    }

    #[test]
    fn records_of_all_widths() {
        for (record_size, bytes) in [
            (24, &[1, 2, 3, 4, 5, 6][..]),
            (28, &[1, 2, 3, 0x07, 4, 5, 6][..]),
            (32, &[0, 1, 2, 3, 7, 4, 5, 6][..]),
        ] {
            let tree = Tree { bytes, node_count: 1, record_size };
            assert_eq!(tree.child(0, false), 0x01_0203, "{record_size}");
            let high = if record_size == 24 { 0 } else { 0x0700_0000 };
            assert_eq!(tree.child(0, true), high | 0x04_0506, "{record_size}");
            assert_eq!(tree.child(1, true), 1, "outside the file");
        }
    }
}
