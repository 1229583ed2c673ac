//! `images --timings`: renders one HTML page with a bar for each download, unpacking and step of a
//! build, like `cargo build --timings`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forge::event::Event;
use plan::template::{self, TemplateError};
use serde_json::json;

use xtask::render::quantity;

/// The self-contained page.
const PAGE: &str = include_str!("timings.html.hbs");
/// Width of the chart in drawing units.
const WIDTH: f64 = 1000.0;
/// Height of a row.
const ROW: usize = 22;

/// An activity with its duration.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    name: String,
    kind: &'static str,
    start: Duration,
    end: Duration,
}

/// Collects the events of a build.
#[derive(Debug)]
pub(crate) struct Timings {
    begun: Instant,
    open: BTreeMap<(&'static str, String), Duration>,
    done: Vec<Span>,
}

impl Default for Timings {
    /// Starts the clock now.
    fn default() -> Self {
        Self {
            begun: host::clock::monotonic(),
            open: BTreeMap::new(),
            done: Vec::new(),
        }
    }
}

impl Timings {
    /// Records an event that happens now.
    pub(crate) fn note(&mut self, event: &Event) {
        self.note_at(event, self.begun.elapsed());
    }

    fn note_at(&mut self, event: &Event, now: Duration) {
        let step = |recipe: &String, arch: &Option<String>| {
            arch.as_ref()
                .map_or_else(|| recipe.clone(), |arch| format!("{recipe} ({arch})"))
        };
        match event {
            Event::Fetch(fetch::Event::Started { file, .. }) => {
                self.open("fetch", file.clone(), now);
            }
            Event::Fetch(fetch::Event::Finished { file, .. }) => {
                self.close("fetch", file.clone(), now);
            }
            Event::Unpack(unpack::Event::Started { name }) => {
                self.open("unpack", name.clone(), now);
            }
            Event::Unpack(unpack::Event::Finished { name, .. }) => {
                self.close("unpack", name.clone(), now);
            }
            Event::StepStarted { recipe, arch, .. } => {
                self.open("build", step(recipe, arch), now);
            }
            Event::StepFinished { recipe, arch, .. } => {
                self.close("build", step(recipe, arch), now);
            }
            _ => {}
        }
    }

    fn open(&mut self, kind: &'static str, name: String, now: Duration) {
        // A second attempt of a download continues the bar of the first.
        self.open.entry((kind, name)).or_insert(now);
    }

    fn close(&mut self, kind: &'static str, name: String, now: Duration) {
        let Some(start) = self.open.remove(&(kind, name.clone())) else {
            return;
        };
        self.done.push(Span {
            name,
            kind,
            start,
            end: now,
        });
    }

    /// Renders the page, without unfinished activities.
    pub(crate) fn page(&self) -> Result<String, TemplateError> {
        let mut spans = self.done.clone();
        spans.sort_by(|one, other| (one.start, &one.name).cmp(&(other.start, &other.name)));
        let total = spans.iter().map(|span| span.end).max().unwrap_or_default();
        let scale = WIDTH / total.as_secs_f64().max(0.001);
        let rows: Vec<_> = spans
            .iter()
            .enumerate()
            .map(|(index, span)| {
                let time = span.end.saturating_sub(span.start);
                json!({
                    "name": span.name,
                    "kind": span.kind,
                    "x": format!("{:.1}", span.start.as_secs_f64() * scale),
                    "y": index * ROW,
                    "text_y": index * ROW + 15,
                    "width": format!("{:.1}", (time.as_secs_f64() * scale).max(1.0)),
                    "start": quantity::time(span.start),
                    "time": quantity::time(time),
                })
            })
            .collect();
        let busy: Duration = spans
            .iter()
            .filter(|span| span.kind == "build")
            .map(|span| span.end.saturating_sub(span.start))
            .sum();
        let data = json!({
            "rows": rows, "total": quantity::time(total), "sum": quantity::time(busy),
            "width": WIDTH, "height": spans.len() * ROW,
        });
        template::page("timings", PAGE, &data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_bar() {
        let mut timings = Timings::default();
        let second = Duration::from_secs;
        let started = |recipe: &str| Event::StepStarted {
            recipe: recipe.to_owned(),
            arch: Some("ppc64".to_owned()),
            log: None,
        };
        let finished = |recipe: &str| Event::StepFinished {
            recipe: recipe.to_owned(),
            arch: Some("ppc64".to_owned()),
            seconds: 1.0,
        };
        timings.note_at(&started("gcc<"), second(10));
        timings.note_at(&started("never ends"), second(15));
        timings.note_at(&finished("gcc<"), second(30));
        timings.note_at(&started("musl"), second(30));
        timings.note_at(&finished("musl"), second(40));
        let page = timings.page().unwrap();
        assert!(page.contains("gcc&lt; (ppc64)") && !page.contains("gcc<"));
        assert!(page.contains(r#"x="250.0" y="0" width="500.0""#), "{page}");
        assert!(page.contains(r#"x="750.0" y="22" width="250.0""#), "{page}");
        assert!(!page.contains("never ends"));
        assert!(page.contains("40.0s") && page.contains("30.0s"));
    }

    #[test]
    fn empty_build_yields_a_page() {
        assert!(
            Timings::default()
                .page()
                .unwrap()
                .contains("Nothing was built")
        );
    }
}
