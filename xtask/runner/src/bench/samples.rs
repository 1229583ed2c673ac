//! The figures of a benchmark, collected over several runs of one or two checkouts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::median;

/// Numbers of a line that describe the measurement and are no result of it.
const PARAMETERS: [&str; 4] = ["runs", "rounds", "jobs", "loops"];
/// Text of a line that is the same for all figures of a side.
const UNLABELLED: [&str; 2] = ["reason", "checkout"];

/// The figures of the sides.
#[derive(Debug)]
pub struct Samples {
    sides: Vec<String>,
    /// By the benchmark with its test, architecture and so on, and by the name of the figure.
    figures: BTreeMap<(String, String), Vec<Vec<f64>>>,
}

/// A figure on all sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The benchmark with its test, architecture and so on.
    pub label: String,
    /// The name of the figure, which ends with its unit.
    pub name: String,
    /// The samples of each side.
    pub samples: Vec<Vec<f64>>,
}

impl Samples {
    /// Without samples. Each side has a name.
    #[must_use]
    pub fn new(sides: Vec<String>) -> Self {
        Self {
            sides,
            figures: BTreeMap::new(),
        }
    }

    /// The names of the sides.
    #[must_use]
    pub fn sides(&self) -> &[String] {
        &self.sides
    }

    /// Adds the numbers of a line that a benchmark prints as JSON. Ignores other lines.
    pub fn add(&mut self, side: usize, line: &Value) {
        let reason = line["reason"].as_str().unwrap_or_default();
        let (true, Some(fields)) = (reason.starts_with("bench-"), line.as_object()) else {
            return;
        };
        let labels = fields
            .iter()
            .filter(|(name, _)| !UNLABELLED.contains(&name.as_str()));
        let labels = labels.filter_map(|(_, value)| value.as_str());
        let label = [reason].into_iter().chain(labels).collect::<Vec<_>>();
        let label = label.join(" ");
        for (name, value) in fields {
            let Some(number) = value.as_f64() else {
                continue;
            };
            if PARAMETERS.contains(&name.as_str()) {
                continue;
            }
            let figure = self.figures.entry((label.clone(), name.clone()));
            let samples = figure.or_insert_with(|| vec![Vec::new(); self.sides.len()]);
            if let Some(samples) = samples.get_mut(side) {
                samples.push(number);
            }
        }
    }

    /// All figures, sorted.
    pub fn figures(&self) -> impl Iterator<Item = Figure> {
        self.figures.iter().map(|((label, name), samples)| Figure {
            label: label.clone(),
            name: name.clone(),
            samples: samples.clone(),
        })
    }
}

impl Figure {
    /// The median of each side; `None` without a sample.
    #[must_use]
    pub fn medians(&self) -> Vec<Option<f64>> {
        let middle = |side: &Vec<f64>| (!side.is_empty()).then(|| median(side.clone()));
        self.samples.iter().map(middle).collect()
    }

    /// The median of the first side as a multiple of that of the second.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        match self.medians()[..] {
            [Some(ours), Some(theirs)] if theirs > 0.0 => Some(ours / theirs),
            _ => None,
        }
    }

    /// One line of JSON.
    #[must_use]
    pub fn json(&self, sides: &[String]) -> Value {
        json!({
            "reason": "bench-figure", "benchmark": self.label, "figure": self.name, "checkouts": sides,
            "medians": self.medians(), "samples": self.samples, "ratio": self.ratio(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two runs of two sides; only the first has the second figure.
    pub(in super::super) fn compared() -> Samples {
        let mut samples = Samples::new(vec!["/new".into(), "/old".into()]);
        let line = |cpu: f64| json!({"reason": "bench-warm", "arch": "one", "test": "a<b", "runs": 1, "cpu_ms": cpu});
        for (side, cpu) in [(0, 30.0), (1, 100.0), (0, 50.0), (1, 60.0)] {
            samples.add(side, &line(cpu));
        }
        samples.add(
            0,
            &json!({"reason": "bench-run", "checkout": "/new", "overhead_ms": 7}),
        );
        samples.add(
            0,
            &json!({"reason": "test-finished", "arch": "one", "cpu_ms": 1}),
        );
        samples.add(0, &Value::Null);
        samples
    }

    #[test]
    fn figures_are_compared_by_their_medians() {
        let figures: Vec<_> = compared().figures().collect();
        let [run, warm] = &figures[..] else {
            panic!("{figures:?}");
        };
        assert_eq!(
            (run.label.as_str(), run.name.as_str()),
            ("bench-run", "overhead_ms")
        );
        assert_eq!(
            (&run.medians()[..], run.ratio()),
            (&[Some(7.0), None][..], None)
        );
        assert_eq!(warm.label, "bench-warm one a<b");
        assert_eq!(warm.samples, [[30.0, 50.0], [100.0, 60.0]]);
        assert_eq!(
            (&warm.medians()[..], warm.ratio()),
            (&[Some(40.0), Some(80.0)][..], Some(0.5))
        );
    }

    #[test]
    fn json_has_samples_and_ratio() {
        let samples = compared();
        let lines: Vec<_> = samples
            .figures()
            .map(|figure| figure.json(samples.sides()))
            .collect();
        assert_eq!(lines[0]["ratio"], Value::Null);
        assert_eq!(lines[0]["medians"], json!([7.0, null]));
        assert_eq!(
            lines[1],
            json!({
                "reason": "bench-figure", "benchmark": "bench-warm one a<b", "figure": "cpu_ms",
                "checkouts": ["/new", "/old"], "medians": [40.0, 80.0],
                "samples": [[30.0, 50.0], [100.0, 60.0]], "ratio": 0.5,
            })
        );
    }
}
