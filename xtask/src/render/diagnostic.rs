//! Renders an error in a file like rustc: file, line, column, the text, and the advice.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use plan::diagnostic::Diagnostic;

/// Renders a diagnostic, optionally in colour.
pub(crate) fn draw(diagnostic: &Diagnostic, color: bool) -> String {
    let snippet = Snippet::source(diagnostic.text.as_str())
        .path(diagnostic.path.as_str())
        .annotation(
            AnnotationKind::Primary
                .span(diagnostic.span.clone())
                .label(diagnostic.label.as_str()),
        );
    let mut group = Level::ERROR
        .primary_title(diagnostic.title.as_str())
        .element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group]).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_key_shows_location_and_suggestion() {
        let text = "name = \"gmp\"\nverison = \"6.3.0\"\n";
        let drawn = draw(
            &Diagnostic {
                path: "recipes/gmp/recipe.toml".into(),
                text: text.to_owned(),
                span: 13..20,
                title: "unknown key `verison`".to_owned(),
                label: "not a key of a recipe".to_owned(),
                help: Some("did you mean `version`?".to_owned()),
            },
            false,
        );
        insta::assert_snapshot!(drawn, @r#"
        error: unknown key `verison`
         --> recipes/gmp/recipe.toml:2:1
          |
        2 | verison = "6.3.0"
          | ^^^^^^^ not a key of a recipe
          |
          = help: did you mean `version`?
        "#);
    }
}
