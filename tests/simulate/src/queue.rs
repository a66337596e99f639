//! What is to happen, in the order of time, and of the asking where the time is the same. The heap
//! holds one number for each; the events lie beside it and are not moved.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::world::{Event, Instant};

/// More events than this in one world are a loop; their numbers fit into so many bits.
const NUMBER_BITS: u32 = 24;
const SLOT_BITS: u32 = 32;

#[derive(Default)]
pub(crate) struct Queue {
    /// Time, number and slot, from the highest bit to the lowest.
    heap: BinaryHeap<Reverse<u128>>,
    events: Vec<Option<Event>>,
    free: Vec<u32>,
    number: u64,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::with_capacity(512), ..Self::default() }
    }

    pub(crate) fn push(&mut self, at: Instant, event: Event) {
        self.number += 1;
        assert!(self.number < 1 << NUMBER_BITS, "this world never ends: {} events", self.number);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            u32::try_from(self.events.len() - 1).expect("fewer than their numbers")
        });
        self.events[slot as usize] = Some(event);
        let time = u128::from(at) << (NUMBER_BITS + SLOT_BITS);
        let number = u128::from(self.number) << SLOT_BITS;
        self.heap.push(Reverse(time | number | u128::from(slot)));
    }

    /// The next one that is due at `end` or before.
    pub(crate) fn pop(&mut self, end: Instant) -> Option<(Instant, Event)> {
        let Reverse(first) = *self.heap.peek()?;
        let at = u64::try_from(first >> (NUMBER_BITS + SLOT_BITS)).expect("it was one");
        if at > end {
            return None;
        }
        self.heap.pop();
        let slot = u32::try_from(first & u128::from(u32::MAX)).expect("masked");
        self.free.push(slot);
        let event = self.events[slot as usize].take().expect("a slot in the heap is taken");
        Some((at, event))
    }
}
