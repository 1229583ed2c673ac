//! `bench --html`: one page with a plot of the samples of each figure.

use plan::template::{self, TemplateError};
use serde_json::{Value, json};

use super::samples::{Figure, Samples};

/// The self-contained page.
const PAGE: &str = include_str!("page.html.hbs");
/// Width of a plot in drawing units.
const WIDTH: f64 = 1000.0;
/// Space on both sides of a plot, so that no point is cut off.
const MARGIN: f64 = 10.0;
/// Height of the row of a side.
const ROW: usize = 28;
/// The classes that colour the sides.
const CLASSES: [&str; 2] = ["ours", "theirs"];

/// Renders the page.
pub fn page(samples: &Samples) -> Result<String, TemplateError> {
    let sides = samples.sides().iter().zip(CLASSES);
    let sides = sides.map(|(name, class)| json!({ "name": name, "class": class }));
    let sides: Vec<_> = sides.collect();
    let figures: Vec<_> = samples.figures().map(|figure| plot(&figure)).collect();
    let data = json!({
        "figures": figures, "sides": sides, "width": WIDTH, "height": samples.sides().len() * ROW,
    });
    template::page("bench", PAGE, &data)
}

/// The data of a plot. All sides have one axis, which starts at zero.
fn plot(figure: &Figure) -> Value {
    let all = figure.samples.iter().flatten();
    let largest = all.copied().fold(0.0, f64::max);
    let scale = (WIDTH - 2.0 * MARGIN) / if largest > 0.0 { largest } else { 1.0 };
    let x = |value: f64| format!("{:.1}", MARGIN + value * scale);
    let sides = figure.samples.iter().zip(figure.medians()).zip(CLASSES);
    let sides = sides.enumerate().map(|(row, ((samples, median), class))| {
        let y = row * ROW + ROW / 2;
        let points = samples.iter();
        let points = points
            .map(|value| json!({"x": x(*value), "y": y, "value": number(*value), "class": class}));
        let median = median.map(|value| {
            json!({
                "x": x(value), "top": row * ROW + 3, "bottom": (row + 1) * ROW - 3, "class": class,
                "value": number(value),
            })
        });
        json!({ "points": points.collect::<Vec<_>>(), "median": median })
    });
    json!({
        "label": figure.label, "name": figure.name, "sides": sides.collect::<Vec<_>>(),
        "ratio": figure.ratio().map(|ratio| format!("{ratio:.2}")), "largest": number(largest),
    })
}

/// A number with four digits.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::tests::compared;
    use super::*;

    #[test]
    fn page_plots_each_sample() {
        let page = page(&compared()).unwrap();
        assert!(page.contains("bench-warm one a&lt;b"), "{page}");
        assert!(!page.contains("a<b"), "{page}");
        assert_eq!(page.matches("<circle").count(), 5);
        assert_eq!(page.matches("<line").count(), 3);
        // 100 of 100 ends at the right margin, 30 of 100 in proportion.
        assert!(page.contains(r#"cx="990.0""#), "{page}");
        assert!(page.contains(r#"cx="304.0""#), "{page}");
        assert!(page.contains("0.50"), "{page}");
    }

    #[test]
    fn page_without_figures_is_valid() {
        let page = page(&Samples::new(vec!["/new".into()])).unwrap();
        assert!(page.contains("No figure was measured"), "{page}");
        assert!(!page.contains("<svg"), "{page}");
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (12345.6, "12346"),
            (181.04, "181.0"),
            (85.811, "85.81"),
            (0.4894, "0.489"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
