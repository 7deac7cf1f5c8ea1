//! Links, the connections of senders, that came up and went down, for those who watch them.
//!
//! Events are numbered. Who watches asks for those after the last number that it knows, and waits if there are none.

use std::collections::VecDeque;

use skynet_kernel::Context;
use skynet_wire::seri::{Table, Value};

use crate::command::{Asker, Command};

/// Events that are kept for those who have not asked for them yet.
const EVENTS: usize = 1024;

#[derive(Default)]
pub(crate) struct LinkEvents {
    /// With a number each.
    events: VecDeque<(i64, Table)>,
    last: i64,
    /// Who waits for an event after this number.
    watchers: Vec<(i64, Asker)>,
}

impl LinkEvents {
    /// `link(node, event, address, reason)` of a sender.
    pub(crate) fn note(&mut self, cx: &Context, arguments: &mut Command) {
        let mut event = Table::new();
        for key in ["node", "event", "address", "reason"] {
            event.insert(key, arguments.next());
        }
        self.last += 1;
        event.insert("number", self.last);
        self.events.push_back((self.last, event));
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
        for (after, asker) in std::mem::take(&mut self.watchers) {
            asker.answer(cx, &self.after(after));
        }
    }

    /// `watch(after)`: the number of the last event, and the events after that number. `None`: they come later. Without
    /// a number it is only the number.
    pub(crate) fn watch(
        &mut self,
        cx: &Context,
        after: Option<i64>,
        asker: Asker,
    ) -> Option<Vec<Value>> {
        match after {
            Some(after) if after >= self.last => {
                // Services that have ended meanwhile did not take themselves off the list.
                self.watchers.retain(|(_, asker)| asker.is_alive(cx));
                self.watchers.push((after, asker));
                None
            }
            Some(after) => Some(self.after(after)),
            None => Some(vec![self.last.into()]),
        }
    }

    fn after(&self, after: i64) -> Vec<Value> {
        let events = self.events.iter().filter(|(number, _)| *number > after);
        let events = Table::from_values(events.map(|(_, event)| event.clone()));
        vec![self.last.into(), events.into()]
    }

    /// Everybody who waits.
    pub(crate) fn watchers(&mut self) -> impl Iterator<Item = Asker> {
        self.watchers.drain(..).map(|(_, asker)| asker)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.watchers.len()
    }
}
