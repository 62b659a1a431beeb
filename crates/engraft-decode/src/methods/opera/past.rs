//! The states a search has passed, and when it goes back to one.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::{
    Opera,
    columns::{Columns, mode},
    hypotheses::{Hypotheses, Said},
    scores::Candidate,
    task::Rollback,
};

/// Columns before this one never send a search back.
const FIRST_COLUMN: usize = 10;

/// An answer on its way.
#[derive(Clone)]
pub struct Beam {
    pub answer: Vec<Said>,
    pub log_probability: f32,
    pub columns: Columns,
}

/// The search before a token is chosen.
#[derive(Clone)]
pub struct State {
    pub beams: Vec<Beam>,
    /// Parent and last token of every beam.
    pub chosen: Vec<(usize, u32)>,
    /// The answers that have ended. A state gone back to goes on with its own, so that answers that
    /// ended since the first return are still there at the second.
    pub ended: Rc<RefCell<Hypotheses>>,
}

/// The states passed, oldest first.
#[derive(Default)]
pub struct Past {
    states: Vec<State>,
    /// For each step, each beam's strongest column. They belong to the places of the beams and stay
    /// there when the beams change places.
    strongest: Vec<Vec<usize>>,
    /// How often each place of the answer was gone back to.
    used: BTreeMap<usize, usize>,
    /// Parents and tokens that must not be chosen again at a place of the answer.
    bans: BTreeMap<usize, Vec<(usize, u32)>>,
    pub rollbacks: Vec<Rollback>,
}

/// Where a search goes on that went back.
pub struct Return {
    pub state: State,
    /// Parents and tokens that it must not choose.
    pub bans: Vec<(usize, u32)>,
}

impl Past {
    /// Keeps a state and each beam's strongest column. The strongest of most beams comes back.
    pub fn remember(
        &mut self,
        state: &State,
        candidates: &[Vec<Candidate>],
        window: usize,
    ) -> usize {
        let of_beam = |candidates: &Vec<Candidate>| {
            mode(candidates.iter().map(|candidate| candidate.penalty.column))
        };
        let columns: Vec<usize> = candidates.iter().map(of_beam).collect();
        let strongest = mode(columns.iter().copied());
        self.strongest.push(columns);
        if self.states.len() >= window {
            self.states.remove(0);
        }
        let ended = state.ended.borrow().clone();
        self.states.push(State {
            ended: Rc::new(RefCell::new(ended)),
            ..state.clone()
        });
        strongest
    }

    /// If this column has been the strongest for long in every beam, the state just after its token,
    /// with what was chosen there banned. `length` counts the tokens of the answer and the coming one.
    pub fn back(&mut self, strongest: usize, length: usize, settings: &Opera) -> Option<Return> {
        let rollback = self.rollback(strongest, length, settings)?;
        let gone = rollback.from.saturating_sub(rollback.to + 2);
        self.states.truncate(self.states.len() - gone);
        self.strongest.truncate(self.strongest.len() - gone - 1);
        let left = self.states.pop()?;
        let state = self.states.last()?.clone();
        self.bans.remove(&(rollback.to + 1));
        let bans = self.bans.entry(rollback.to).or_default();
        bans.extend(left.chosen);
        self.rollbacks.push(rollback);
        Some(Return {
            state,
            bans: bans.clone(),
        })
    }

    /// Where to go back to, if it is time to. Counts the return.
    fn rollback(&mut self, strongest: usize, from: usize, settings: &Opera) -> Option<Rollback> {
        let window = settings.window_size;
        let beams = self.strongest.last().map_or(0, Vec::len);
        let often = |beam: usize| {
            let same = |columns: &&Vec<usize>| columns.get(beam) == Some(&strongest);
            self.strongest.iter().filter(same).count() > settings.threshold
        };
        let early = strongest < FIRST_COLUMN || strongest + 2 >= window;
        if early || !(0..beams).all(often) {
            return None;
        }
        let used = |place: &usize| self.used.get(place).copied().unwrap_or(0);
        let open = |place: &usize| used(place) < settings.num_attn_candidates;
        let place = [strongest + 1, strongest].into_iter().find(open)?;
        let to = match from - place > window + 1 {
            true => from - window - 1,
            false => place,
        };
        if self.states.len() < from.saturating_sub(to + 2) + 2 {
            return None;
        }
        *self.used.entry(place).or_insert(0) += 1;
        Some(Rollback { from, to })
    }
}
