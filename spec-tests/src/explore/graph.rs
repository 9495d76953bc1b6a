//! The explored part of a world as a graph of numbered states, and what can be read off its edges:
//! stuck states, and how far it is from anywhere to quiescence.

use std::mem;

/// Where an edge leads, and whether it is a fault, in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge(u32);

impl Edge {
    const FAULT: u32 = 1 << 31;

    /// State numbers must stay below this.
    pub(super) const MAXIMUM_STATES: usize = (1 << 31) - 1;

    pub(super) fn new(state: u32, is_fault: bool) -> Self {
        debug_assert!(state < Self::FAULT, "state number too large for an edge");
        Self(state | if is_fault { Self::FAULT } else { 0 })
    }

    fn state(self) -> u32 {
        self.0 & !Self::FAULT
    }

    fn is_fault(self) -> bool {
        self.0 & Self::FAULT != 0
    }
}

/// States in the order in which they were found, with their edges in the order of the choices. 12
/// bytes for a state and 4 for an edge.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The state over which each state was found first; the initial state is its own parent.
    pub(super) parents: Vec<u32>,
    pub(super) quiescent: Vec<u32>,
    /// Where the edges of each expanded state begin.
    first_edges: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// Begins the edges of the next state; states are expanded in order.
    pub(super) fn begin_state(&mut self) {
        let first = u32::try_from(self.edges.len()).expect("`is_full` was asked");
        self.first_edges.push(first);
    }

    pub(super) fn push_edge(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    /// Whether the edges of one more state might not find room.
    pub(super) fn is_full(&self) -> bool {
        self.edges.len() > u32::MAX as usize - (1 << 20)
    }

    /// The states from the initial one to this one.
    pub(super) fn path_to(&self, state: u32) -> Vec<u32> {
        let mut path = vec![state];
        let mut last = state;
        while self.parents[last as usize] != last {
            last = self.parents[last as usize];
            path.push(last);
        }
        path.reverse();
        path
    }

    fn edges_of(&self, state: u32) -> &[Edge] {
        let begin = self.first_edges[state as usize] as usize;
        let next = self.first_edges.get(state as usize + 1);
        &self.edges[begin..next.map_or(self.edges.len(), |next| *next as usize)]
    }
}

/// The same edges, found by the state that they lead to.
struct Reversed {
    first_edges: Vec<u32>,
    edges: Vec<Edge>,
}

impl Reversed {
    fn new(graph: &Graph) -> Self {
        let states = graph.parents.len();
        let mut first_edges = vec![0_u32; states + 1];
        for edge in &graph.edges {
            first_edges[edge.state() as usize + 1] += 1;
        }
        for state in 0..states {
            first_edges[state + 1] += first_edges[state];
        }
        let mut edges = vec![Edge(0); graph.edges.len()];
        // Fill from the front of each range; the starts move up to the ends meanwhile, and are put
        // back.
        for source in 0..u32::try_from(states).expect("states are numbered in 31 bits") {
            for edge in graph.edges_of(source) {
                let place = &mut first_edges[edge.state() as usize];
                edges[*place as usize] = Edge::new(source, edge.is_fault());
                *place += 1;
            }
        }
        let mut start = 0;
        for place in &mut first_edges[..states] {
            start = mem::replace(place, start);
        }
        Self { first_edges, edges }
    }

    fn into(&self, state: u32) -> &[Edge] {
        let state = state as usize;
        &self.edges[self.first_edges[state] as usize..self.first_edges[state + 1] as usize]
    }
}

const UNREACHED: u32 = u32::MAX;

/// From where quiescence can be reached, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Liveness {
    /// States from which no quiescent state can be reached at all: how many, and the first.
    pub(super) stuck: (u64, Option<u32>),
    /// The same, but over steps that are not faults; includes the stuck ones.
    pub(super) needs_fault: (u64, Option<u32>),
    /// The largest distance to quiescence over steps that are not faults, among the states that
    /// have one.
    pub(super) bound: u32,
}

impl Liveness {
    /// All states of `graph` have to have been expanded.
    pub(super) fn of(graph: &Graph) -> Self {
        let reversed = Reversed::new(graph);
        let mut distances = vec![UNREACHED; graph.parents.len()];
        spread(
            graph.quiescent.clone(),
            &reversed,
            |edge| !edge.is_fault(),
            &mut distances,
        );
        let needs_fault = unreached(&distances);
        let reached = distances.iter().filter(|distance| **distance != UNREACHED);
        let bound = reached.max().copied().unwrap_or(0);
        let mut stuck = needs_fault;
        if needs_fault.0 > 0 {
            distances.fill(UNREACHED);
            spread(graph.quiescent.clone(), &reversed, |_| true, &mut distances);
            stuck = unreached(&distances);
        }
        Self {
            stuck,
            needs_fault,
            bound,
        }
    }
}

/// Breadth-first backwards from `level`.
fn spread(
    mut level: Vec<u32>,
    reversed: &Reversed,
    allowed: impl Fn(Edge) -> bool,
    distances: &mut [u32],
) {
    for state in &level {
        distances[*state as usize] = 0;
    }
    let mut next = Vec::new();
    let mut distance = 0;
    while !level.is_empty() {
        distance += 1;
        for state in level.drain(..) {
            for edge in reversed
                .into(state)
                .iter()
                .copied()
                .filter(|edge| allowed(*edge))
            {
                let known = &mut distances[edge.state() as usize];
                if *known == UNREACHED {
                    *known = distance;
                    next.push(edge.state());
                }
            }
        }
        mem::swap(&mut level, &mut next);
    }
}

fn unreached(distances: &[u32]) -> (u64, Option<u32>) {
    let mut count = 0;
    let mut first = None;
    for (state, distance) in (0..).zip(distances) {
        if *distance == UNREACHED {
            count += 1;
            first = first.or(Some(state));
        }
    }
    (count, first)
}
