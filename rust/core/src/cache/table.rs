//! A hash table of bounded size. Reading it never waits for a lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// Number of parts of a table that are replaced independently.
const SHARDS: usize = 16;

type Shard<V> = ArcSwap<Vec<(u64, Arc<V>)>>;

/// A hash table of bounded size, split into shards. A writer copies one shard, changes the copy, and replaces the shard. Readers therefore
/// never wait.
#[derive(Debug)]
pub(crate) struct Table<V> {
    shards: [Shard<V>; SHARDS],
    capacity: usize,
    /// Maximum total size of the entries of one owner (a signer), so that no owner can evict all entries of the others.
    share: usize,
    /// The entries in the order in which they were added. The lock of this queue serializes all writes.
    queue: Mutex<Queue<V>>,
}

/// The entries of a table in the order in which they were added, with sums of their sizes.
#[derive(Debug)]
struct Queue<V> {
    entries: VecDeque<Entry<V>>,
    total: usize,
    by_owner: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Entry<V> {
    key: u64,
    owner: u64,
    size: usize,
    value: Arc<V>,
}

impl<V> Table<V> {
    /// Creates an empty table. `capacity` limits the total size of its entries, and `share` limits the total size of one owner's entries.
    pub(crate) fn new(capacity: usize, share: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| ArcSwap::default()),
            capacity,
            share,
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                total: 0,
                by_owner: HashMap::new(),
            }),
        }
    }

    fn shard(&self, key: u64) -> &Shard<V> {
        &self.shards[(key >> 32) as usize % SHARDS]
    }

    /// Calls `pick` with each value that has this key, and returns the first result that is not `None`.
    pub(crate) fn find<R>(&self, key: u64, mut pick: impl FnMut(&Arc<V>) -> Option<R>) -> Option<R> {
        let shard = self.shard(key).load();
        shard.iter().filter(|(other, _)| *other == key).find_map(|(_, value)| pick(value))
    }

    /// Adds a value unless `same` finds an equal one in the table. Returns the value that is in the table afterwards.
    pub(crate) fn insert(&self, key: u64, owner: u64, size: usize, value: Arc<V>, same: impl Fn(&V, &V) -> bool) -> Arc<V> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.find(key, |known| same(known, &value).then(|| Arc::clone(known))) {
            return known;
        }
        let mut shard = Vec::clone(&self.shard(key).load());
        shard.push((key, Arc::clone(&value)));
        self.shard(key).store(Arc::new(shard));
        queue.push(key, owner, size, Arc::clone(&value));
        loop {
            let evicted = if queue.by_owner[&owner] > self.share {
                queue.entries.iter().position(|entry| entry.owner == owner)
            } else {
                (queue.total > self.capacity).then_some(0)
            };
            let Some(entry) = evicted.and_then(|index| queue.remove(index)) else {
                return value;
            };
            let mut shard = Vec::clone(&self.shard(entry.key).load());
            shard.retain(|(_, value)| !Arc::ptr_eq(value, &entry.value));
            self.shard(entry.key).store(Arc::new(shard));
        }
    }

    /// Returns the number of entries and their total size. Checks that the shards contain the entries of the queue.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        let queue = self.queue.lock().unwrap();
        let stored: usize = self.shards.iter().map(|shard| shard.load().len()).sum();
        assert_eq!(stored, queue.entries.len());
        assert_eq!(queue.by_owner.values().sum::<usize>(), queue.total);
        (stored, queue.total)
    }
}

impl<V> Queue<V> {
    fn push(&mut self, key: u64, owner: u64, size: usize, value: Arc<V>) {
        self.total += size;
        *self.by_owner.entry(owner).or_default() += size;
        self.entries.push_back(Entry { key, owner, size, value });
    }

    fn remove(&mut self, index: usize) -> Option<Entry<V>> {
        let entry = self.entries.remove(index)?;
        self.total -= entry.size;
        if let Some(size) = self.by_owner.get_mut(&entry.owner) {
            *size -= entry.size;
            if *size == 0 {
                self.by_owner.remove(&entry.owner);
            }
        }
        Some(entry)
    }
}
