//! Sorting that costs little in the binary.
//!
//! `slice::sort` is made anew for every type and order, 5 KB each time, and so is `collect` into a map, which sorts too.
//! Here one function sorts numbers, and what is made anew only moves the items. The longest lists take the standard
//! library's.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts by `compare`; equal items stay in their order.
pub(crate) fn by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order = sorted(items.len(), &mut |left, right| match (items.get(left), items.get(right)) {
        (Some(left), Some(right)) => compare(left, right),
        _ => Ordering::Equal,
    });
    // Along each cycle of the permutation: every item is moved once.
    for start in 0..items.len() {
        let mut to = start;
        while let Some(from) = order.get_mut(to) {
            let from = std::mem::replace(from, to);
            if from == start {
                break;
            }
            items.swap(to, from);
            to = from;
        }
    }
}

/// Sorts by what `key` says of each item; equal items stay in their order.
pub(crate) fn by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    by(items, |left, right| key(left).cmp(&key(right)));
}

/// A map of pairs; of several with one key the last.
pub(crate) fn map<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// A set of keys.
pub(crate) fn set<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeSet<K> {
    let mut set = BTreeSet::new();
    set.extend(keys);
    set
}

/// The places of the items, in their order.
#[inline(never)]
fn sorted(len: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|left, right| compare(*left, *right));
    order
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_sorts_as_the_standard_library_does() {
        let mut state = 1_u32;
        for len in 0..200_u32 {
            let mut items: Vec<(u32, u32)> = (0..len)
                .map(|at| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 26, at)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            super::by_key(&mut items, |item| item.0);
            assert_eq!(items, expected, "equal ones keep their order, too");
        }
    }
}
