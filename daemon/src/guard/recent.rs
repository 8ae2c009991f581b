//! A table of what was touched lately, bounded whatever happens.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps at least the `capacity` keys touched last and at most twice as many. Two generations: what
/// is touched moves to the young one; when that is full, the old one is forgotten whole. So every
/// operation is quick and memory has a ceiling, whoever fills the table.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V: Default> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(1) }
    }

    /// The value of a key, made when it is not known (any more).
    pub(crate) fn touch(&mut self, key: &K) -> &mut V {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.capacity {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.clone(), value);
        }
        self.young.entry(key.clone()).or_default()
    }

    /// The value of a key, if it is known, without keeping it longer.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Every key that is known, with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// What the tables take up, with one byte of the hash table's own for each place.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        // A hash table is kept at most 7/8 full, and says how much fits into it.
        let places = |table: &HashMap<K, V>| table.capacity().div_ceil(7) * 8;
        (places(&self.young) + places(&self.old)) * (size_of::<(K, V)>() + 1)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut recent = Recent::<u32, u32>::new(10);
        *recent.touch(&1_000_000) = 7;
        for key in 0..100_000 {
            *recent.touch(&key) += 1;
            assert_eq!(*recent.touch(&1_000_000), 7);
            assert!(recent.len() <= 20);
        }
        assert_eq!(recent.peek(&0), None);
        recent.forget(&1_000_000);
        assert_eq!(recent.peek(&1_000_000), None);
    }
}
