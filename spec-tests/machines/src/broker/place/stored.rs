//! What is stored of a broker, and the broker that is made of it.

use std::collections::BTreeMap;

use mqtt5_session_fsm::broker::Broker;
use mqtt5_session_fsm::broker::journal::{Batch, BrokenRecord, Restoring};

use super::Place;

impl Place {
    /// Takes what is to be stored.
    pub(super) fn collect(&mut self) {
        let mut bytes = Vec::new();
        while let Some(last) = self.broker.take_batch(&mut bytes) {
            let mut rest = &bytes[..];
            let batch = Batch::take(&mut rest).unwrap().unwrap();
            assert!(rest.is_empty());
            assert_eq!((batch.first(), batch.last()), (self.last_taken + 1, last));
            self.last_taken = last;
            self.log.push(core::mem::take(&mut bytes));
            if self.stores {
                self.store();
            }
        }
    }

    /// Stores the next batch, and lets go what waits for it. Returns whether there was one.
    pub(crate) fn store(&mut self) -> bool {
        let Some(mut bytes) = self.log.get(self.stored).map(|it| &it[..]) else {
            return false;
        };
        let batch = Batch::take(&mut bytes).unwrap().unwrap();
        for record in batch.records() {
            match record.value {
                Some(value) => drop(self.map.insert(record.key.into(), value.into())),
                None => drop(self.map.remove(record.key)),
            }
        }
        self.stored += 1;
        self.last_stored = batch.last();
        true
    }

    pub(crate) fn restoring(&self) -> Restoring {
        let mut restoring = Restoring::new(self.config);
        for (key, value) in &self.map {
            restoring.record(key, Some(value));
        }
        restoring
    }

    /// What is stored if a snapshot is all that there is.
    pub(crate) fn snapshot(&mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut snapshot = self.broker.snapshot();
        let (mut map, mut bytes, mut budget) = (BTreeMap::new(), Vec::new(), u32::MAX);
        while self
            .broker
            .snapshot_slice(&mut snapshot, &mut budget, &mut bytes)
        {
            let batch = Batch::take(&mut &bytes[..]).unwrap();
            for record in batch.iter().flat_map(|it| it.records()) {
                if let Some(value) = record.value {
                    map.insert(record.key.into(), value.into());
                }
            }
        }
        map
    }

    /// The broker dies with what is not stored, and another one is made of what is.
    pub(crate) fn restart(&mut self) {
        if let Err(error) = self.try_restart() {
            let of_it = self
                .map
                .iter()
                .filter(|it| it.0.starts_with(&error.key[..9]));
            for (key, value) in of_it {
                eprintln!("{key:02x?}: {value:02x?}");
            }
            panic!("{error}");
        }
    }

    pub(crate) fn try_restart(&mut self) -> Result<(), BrokenRecord> {
        let broker = self.restoring().finish(self.now)?;
        self.replace(broker);
        Ok(())
    }

    /// Another broker, made of what is stored, goes on without connections.
    pub(crate) fn replace(&mut self, broker: Broker) {
        self.broker = broker;
        self.log.truncate(self.stored);
        self.last_taken = self.last_stored;
        self.questions.clear();
        for wire in &mut self.wires {
            wire.key = None;
            wire.up.clear();
            wire.held.clear();
            wire.down.clear();
        }
        self.settle();
    }

    /// Takes over a broker that was made of these batches.
    pub(crate) fn adopt(&mut self, broker: Broker, log: &[Vec<u8>]) {
        self.broker = broker;
        self.log = log.to_vec();
        self.stored = log.len();
        let mut last = log.last().map_or(&[][..], |it| &it[..]);
        let batch = Batch::take(&mut last).unwrap();
        self.last_stored = batch.map_or(0, |it| it.last());
        self.last_taken = self.last_stored;
        self.settle();
    }
}
