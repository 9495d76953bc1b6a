//! All successors of a block of states: the part of the exhaustive engine that runs in parallel.
//!
//! A worker only reads the set of known states. What it finds is merged later, in the order of the
//! blocks, so that the numbers of the states do not depend on how many workers there are or which
//! was faster.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::choice::Odometer;
use super::coverage::Coverage;
use super::fingerprint::{Fingerprint, Fingerprinter, StateSet};
use super::log::Log;
use super::world::{Step, Violation, World, perform};

/// Where an edge leads, as long as the new states have no numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Known(u32),
    /// Position in [`Expansion::candidates`]. Positions appear in ascending order.
    Candidate(u32),
}

/// A state that was unknown when the block was begun.
#[derive(Debug)]
pub(super) struct Candidate<W> {
    pub(super) fingerprint: Fingerprint,
    pub(super) is_quiescent: bool,
    pub(super) world: W,
}

/// What became of a block.
#[derive(Debug)]
pub(super) struct Expansion<W> {
    /// For each state how many edges it has.
    pub(super) edge_counts: Vec<u32>,
    /// Target, and whether the step was a fault.
    pub(super) edges: Vec<(Target, bool)>,
    pub(super) candidates: Vec<Candidate<W>>,
    /// The last state in `edge_counts` made a step that a monitor objects to; with its choices.
    pub(super) violation: Option<(Vec<u16>, Violation)>,
    pub(super) coverage: Coverage,
}

/// Everything that one thread needs again and again.
pub(super) struct Worker<W> {
    odometer: Odometer,
    fingerprinter: Fingerprinter,
    /// The candidates of the present block: interleavings meet again soon.
    local: StateSet,
    spare: Option<W>,
    points: usize,
}

impl<W: World> Worker<W> {
    /// A worker for a world with this number of coverage points.
    pub(super) fn new(points: usize) -> Self {
        Self {
            odometer: Odometer::default(),
            fingerprinter: Fingerprinter::default(),
            local: StateSet::default(),
            spare: None,
            points,
        }
    }

    /// Makes every step of every state of the block.
    pub(super) fn expand(&mut self, block: &[W], known: &StateSet) -> Expansion<W> {
        let mut expansion = Expansion {
            edge_counts: Vec::with_capacity(block.len()),
            edges: Vec::with_capacity(4 * block.len()),
            candidates: Vec::new(),
            violation: None,
            coverage: Coverage::new(self.points),
        };
        self.local.clear();
        for world in block {
            let edges_before = expansion.edges.len();
            expansion.violation = self.expand_state(world, known, &mut expansion);
            let edges = expansion.edges.len() - edges_before;
            let edges = u32::try_from(edges).expect("a state has fewer than 2^32 edges");
            expansion.edge_counts.push(edges);
            if expansion.violation.is_some() {
                break;
            }
        }
        expansion
    }

    fn expand_state(
        &mut self,
        world: &W,
        known: &StateSet,
        expansion: &mut Expansion<W>,
    ) -> Option<(Vec<u16>, Violation)> {
        self.odometer.start();
        loop {
            self.odometer.rewind();
            let mut next = self.copy(world);
            let coverage = &mut expansion.coverage;
            match perform(&mut next, &mut self.odometer, coverage, &mut Log::off()) {
                Err(violation) => return Some((self.odometer.choices().to_vec(), violation)),
                Ok(Step::Nothing) => self.spare = Some(next),
                Ok(step) => {
                    let target = self.target(next, known, &mut expansion.candidates);
                    expansion.edges.push((target, step == Step::Fault));
                }
            }
            if !self.odometer.advance() {
                return None;
            }
        }
    }

    /// Uses the memory of a world that led to a known state; a world whose `clone_from` keeps
    /// buffers then costs no allocation.
    fn copy(&mut self, world: &W) -> W {
        match self.spare.take() {
            Some(mut spare) => {
                spare.clone_from(world);
                spare
            }
            None => world.clone(),
        }
    }

    fn target(&mut self, next: W, known: &StateSet, found: &mut Vec<Candidate<W>>) -> Target {
        let fingerprint = self.fingerprinter.of(&next);
        if let Some(number) = known.find(fingerprint) {
            self.spare = Some(next);
            return Target::Known(number);
        }
        let (candidate, is_new) = self.local.insert(fingerprint);
        if is_new {
            found.push(Candidate {
                fingerprint,
                is_quiescent: next.is_quiescent(),
                world: next,
            });
        } else {
            self.spare = Some(next);
        }
        Target::Candidate(candidate)
    }
}

/// Expands all blocks with all workers; the results are in the order of the blocks.
pub(super) fn expand_all<W: World>(
    workers: &mut [Worker<W>],
    blocks: &[Vec<W>],
    known: &StateSet,
) -> Vec<Expansion<W>> {
    // Not worth a thread.
    if blocks.len() == 1 || workers.len() == 1 {
        let worker = &mut workers[0];
        return blocks
            .iter()
            .map(|block| worker.expand(block, known))
            .collect();
    }
    let next_block = AtomicUsize::new(0);
    let work = |worker: &mut Worker<W>| {
        let mut done = Vec::new();
        loop {
            let number = next_block.fetch_add(1, Ordering::Relaxed);
            let Some(block) = blocks.get(number) else {
                return done;
            };
            done.push((number, worker.expand(block, known)));
        }
    };
    let mut done: Vec<(usize, Expansion<W>)> = thread::scope(|scope| {
        let handles: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(|| work(worker)))
            .collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined
            .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, expansion)| expansion).collect()
}
