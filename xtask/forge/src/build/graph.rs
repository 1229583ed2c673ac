//! Decides which steps must be built and in which order: functions of the plan and the store's
//! contents.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use plan::step::{Plan, Step, StepId};

/// The steps to build for `wanted`. Walks back from it and stops at each present step, so that its
/// inputs are not even checked.
pub(super) fn needed<E>(
    plan: &Plan,
    wanted: &[StepId],
    mut present: impl FnMut(StepId) -> Result<bool, E>,
) -> Result<BTreeSet<StepId>, E> {
    let mut seen = BTreeSet::new();
    let mut needed = BTreeSet::new();
    let mut next = wanted.to_vec();
    while let Some(id) = next.pop() {
        if seen.insert(id) && !present(id)? {
            needed.insert(id);
            next.extend(plan.step(id).inputs.iter().map(|input| input.step));
        }
    }
    Ok(needed)
}

/// `wanted` and all its direct and indirect inputs.
pub(super) fn closure(plan: &Plan, wanted: &[StepId]) -> BTreeSet<StepId> {
    let none_present: Result<_, std::convert::Infallible> = needed(plan, wanted, |_| Ok(false));
    match none_present {
        Ok(steps) => steps,
    }
}

/// The priority of a step.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Urgency {
    /// Seconds from its start to the end of the last step that needs it.
    path: f64,
    /// The number of steps that depend on it, directly or not.
    dependants: usize,
}

/// Waiting and startable steps.
#[derive(Debug)]
pub(super) struct Queue {
    urgency: BTreeMap<StepId, Urgency>,
    /// Unfinished inputs by step.
    waiting: BTreeMap<StepId, BTreeSet<StepId>>,
}

impl Queue {
    /// Orders the steps. `seconds` returns the last duration of a step.
    pub(super) fn new(
        plan: &Plan,
        needed: &BTreeSet<StepId>,
        seconds: impl Fn(&Step) -> Option<f64>,
    ) -> Self {
        let inputs = |id: StepId| {
            let inputs = plan.step(id).inputs.iter().map(|input| input.step);
            inputs
                .filter(|input| needed.contains(input))
                .collect::<BTreeSet<_>>()
        };
        let mut dependants: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
        let mut urgency: BTreeMap<StepId, Urgency> = BTreeMap::new();
        // Inputs precede their dependants in a plan, so the reverse order sees every dependant
        // first.
        for &id in needed.iter().rev() {
            let own = dependants.get(&id).cloned().unwrap_or_default();
            let after = own.iter().filter_map(|dependant| urgency.get(dependant));
            let after = after.map(|urgency| urgency.path).fold(0.0, f64::max);
            let path = after + seconds(plan.step(id)).unwrap_or(1.0);
            urgency.insert(
                id,
                Urgency {
                    path,
                    dependants: own.len(),
                },
            );
            for input in inputs(id) {
                let known = dependants.entry(input).or_default();
                known.insert(id);
                known.extend(own.iter().copied());
            }
        }
        let waiting = needed.iter().map(|&id| (id, inputs(id))).collect();
        Self { urgency, waiting }
    }

    /// Takes the step with the highest priority whose inputs are all built.
    pub(super) fn next(&mut self) -> Option<StepId> {
        let ready = self
            .waiting
            .iter()
            .filter(|(_, inputs)| inputs.is_empty())
            .map(|(id, _)| *id);
        let id = ready.min_by(|one, other| self.compare(*one, *other))?;
        self.waiting.remove(&id);
        Some(id)
    }

    /// Marks a step as built.
    pub(super) fn finished(&mut self, id: StepId) {
        for inputs in self.waiting.values_mut() {
            inputs.remove(&id);
        }
    }

    /// All waiting steps by priority.
    pub(super) fn by_urgency(&self) -> Vec<StepId> {
        let mut ids: Vec<_> = self.waiting.keys().copied().collect();
        ids.sort_by(|one, other| self.compare(*one, *other));
        ids
    }

    fn compare(&self, one: StepId, other: StepId) -> Ordering {
        let urgency = |id| self.urgency.get(&id);
        let more_urgent_first = urgency(other).partial_cmp(&urgency(one));
        more_urgent_first
            .unwrap_or(Ordering::Equal)
            .then(one.cmp(&other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{id, plan_of, text};
    use super::*;

    /// A toolchain for two architectures, as in the real plan.
    fn plan() -> Plan {
        plan_of(&[
            ("gmp", &[]),
            ("binutils", &[]),
            ("gcc", &["gmp", "binutils"]),
            ("musl", &["gcc"]),
            ("linux", &["gcc"]),
            ("busybox", &["musl"]),
            ("image", &["linux", "busybox"]),
        ])
    }

    fn check_needed(wanted: &[&str], present: &[&str], expect: &str, looked_at: &str) {
        let plan = plan();
        let mut looked = BTreeSet::new();
        let wanted: Vec<_> = wanted.iter().map(|recipe| id(&plan, recipe)).collect();
        let needed = needed(&plan, &wanted, |id| {
            looked.insert(id);
            Ok::<_, ()>(present.contains(&plan.step(id).recipe.as_str()))
        });
        let names = |ids: &BTreeSet<StepId>| {
            let names: Vec<_> = ids
                .iter()
                .map(|id| plan.step(*id).recipe.as_str())
                .collect();
            names.join(" ")
        };
        assert_eq!(names(&needed.unwrap()), expect);
        assert_eq!(names(&looked), looked_at);
    }

    #[test]
    fn inputs_of_present_steps_are_not_built() {
        check_needed(&["image"], &["image"], "", "image");
        check_needed(
            &["image"],
            &["linux", "busybox"],
            "image",
            "linux busybox image",
        );
        check_needed(
            &["image"],
            &["gcc"],
            "musl linux busybox image",
            "gcc musl linux busybox image",
        );
        check_needed(
            &["linux", "gmp"],
            &[],
            "gmp binutils gcc linux",
            "gmp binutils gcc linux",
        );
        assert_eq!(
            closure(&plan(), &[StepId(2)]),
            [StepId(0), StepId(1), StepId(2)].into()
        );
    }

    /// Simulates the queue with `slots` concurrent steps and returns the order of starts.
    fn starts(slots: usize, seconds: impl Fn(&Step) -> Option<f64>) -> String {
        let plan = plan();
        let needed = closure(&plan, &[id(&plan, "image")]);
        let mut queue = Queue::new(&plan, &needed, &seconds);
        let (mut order, mut running, mut clock) = (Vec::new(), Vec::new(), 0.0);
        loop {
            while running.len() < slots {
                let Some(step) = queue.next().map(|id| plan.step(id)) else {
                    break;
                };
                order.push(step.recipe.clone());
                running.push((clock + seconds(step).unwrap_or(1.0), step.recipe.clone()));
            }
            running.sort_by(|one: &(f64, String), other| one.partial_cmp(other).unwrap());
            if running.is_empty() {
                return text(&order);
            }
            let (end, recipe) = running.remove(0);
            clock = end;
            queue.finished(id(&plan, &recipe));
        }
    }

    #[test]
    fn longest_remaining_path_starts_first() {
        // Without history each step counts the same: two steps depend on musl, one on linux.
        assert_eq!(
            starts(1, |_| None),
            "gmp binutils gcc musl linux busybox image"
        );
        assert_eq!(
            starts(2, |_| None),
            "gmp binutils gcc musl linux busybox image"
        );
        let slow_kernel = |step: &Step| Some(if step.recipe == "linux" { 600.0 } else { 10.0 });
        assert_eq!(
            starts(1, slow_kernel),
            "gmp binutils gcc linux musl busybox image"
        );
        let slow_binutils = |step: &Step| {
            Some(if step.recipe == "binutils" {
                60.0
            } else {
                10.0
            })
        };
        assert_eq!(
            starts(1, slow_binutils),
            "binutils gmp gcc musl linux busybox image"
        );
    }

    #[test]
    fn critical_path_starts_first() {
        let plan = plan_of(&[
            ("one", &[]),
            ("many", &[]),
            ("a", &["one"]),
            ("b", &["many"]),
            ("c", &["many"]),
        ]);
        let needed = plan
            .steps
            .iter()
            .enumerate()
            .map(|(at, _)| StepId(at))
            .collect();
        let queue = Queue::new(&plan, &needed, |_| None);
        let order: Vec<_> = queue
            .by_urgency()
            .iter()
            .map(|id| plan.step(*id).recipe.clone())
            .collect();
        assert_eq!(text(&order), "many one a b c");
    }
}
