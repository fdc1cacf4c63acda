//! Templates made to hurt: they include each other, go deep, loop, and write without end.

use super::{obeys, promptly};
use rota::domain::Value;
use rota::fault::render_all;
use rota::template::{OUTPUT_BYTES_MAX, Templates, fill_text, lint_text};
use serde_json::json;
use std::fmt::Write as _;

fn context() -> Value {
    let tasks: Vec<_> =
        (0..2_000).map(|id| json!({"id": id, "headline": "x".repeat(200)})).collect();
    serde_json::from_value(json!({"tasks": tasks, "agent": "AI", "zone": "UTC"})).unwrap()
}

/// What comes of these templates: the faults, or what rendering `a.txt.hbs` says.
fn come_of(what: &str, texts: &[(&str, &str)]) -> String {
    let (templates, faults) = promptly(what, || Templates::from_texts(texts.iter().copied()));
    let context = context();
    let rendered = promptly(what, || templates.render("a.txt.hbs", &context, "nonce"));
    let told = if faults.is_empty() {
        match rendered {
            Ok(text) => {
                assert!(text.len() <= OUTPUT_BYTES_MAX, "{what}: {}", text.len());
                return "text".to_owned();
            }
            Err(error) => error.to_string(),
        }
    } else {
        assert!(faults.len() <= 100, "{what}: {} faults", faults.len());
        render_all(&faults, false)
    };
    assert_eq!(obeys(&told), None, "{what}: {told}");
    assert!(told.len() < 40_000, "{what}: {} bytes are told", told.len());
    told
}

#[test]
fn templates_that_include_each_other_are_refused() {
    let twice = "{{> _b.hbs}}{{> _b.hbs}}";
    for (what, texts) in [
        ("itself", vec![("a.txt.hbs", "{{> a.txt.hbs}}")]),
        (
            "each other",
            vec![
                ("a.txt.hbs", "{{> _b.hbs}}"),
                ("_b.hbs", "{{> _c.hbs}}"),
                ("_c.hbs", "{{> _b.hbs}}"),
            ],
        ),
        (
            "each other, twice",
            vec![("a.txt.hbs", twice), ("_b.hbs", "{{> _c.hbs}}{{> _c.hbs}}"), ("_c.hbs", twice)],
        ),
        ("itself under a condition", vec![("a.txt.hbs", "{{#if agent}}{{> a.txt.hbs}}{{/if}}")]),
        ("itself in a loop", vec![("a.txt.hbs", "{{#each tasks}}{{> a.txt.hbs}}{{/each}}")]),
        ("itself as a block", vec![("a.txt.hbs", "{{#> a.txt.hbs}}x{{/a.txt.hbs}}")]),
        ("by a name that is made", vec![("a.txt.hbs", "{{> (lookup this \"agent\")}}")]),
    ] {
        let told = come_of(what, &texts);
        let clear = [
            "includes itself",
            "too large once",
            "must be written out",
            "too deep",
            "more than 3 `each`",
        ];
        assert!(clear.iter().any(|text| told.contains(text)), "{what}: {told}");
    }
}

#[test]
fn a_block_that_is_put_into_itself_ends() {
    for text in [
        "{{#> _b.hbs}}{{> @partial-block}}{{/_b.hbs}}",
        "{{#> _b.hbs}}{{#> _b.hbs}}{{> @partial-block}}{{/_b.hbs}}{{/_b.hbs}}",
        "{{> @partial-block}}",
        "{{#> _c.hbs}}x{{/_c.hbs}}",
    ] {
        come_of(
            text,
            &[
                ("a.txt.hbs", text),
                ("_b.hbs", "[{{> @partial-block}}]"),
                ("_c.hbs", "{{#> _b.hbs}}{{> @partial-block}}{{/_b.hbs}}"),
            ],
        );
    }
}

#[test]
fn partials_that_double_are_refused_before_they_are_written_out() {
    let mut texts = vec![("a.txt.hbs".to_owned(), "{{> _0.hbs}}{{> _0.hbs}}".to_owned())];
    for number in 0..20 {
        let next = number + 1;
        texts.push((
            format!("_{number}.hbs"),
            format!("{{{{> _{next}.hbs}}}}{{{{> _{next}.hbs}}}}"),
        ));
    }
    texts.push(("_20.hbs".to_owned(), "x".repeat(1_000)));
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(come_of("doubling", &texts).contains("too large once its partials are written out"));
}

#[test]
fn what_goes_too_deep_is_refused() {
    for text in [
        "{{#if agent}}".repeat(4_000),
        "{{#if agent}}".repeat(500) + &"{{/if}}".repeat(500),
        "{{".repeat(30_000),
        "{{#".repeat(20_000),
        "{{{{".repeat(16_000),
        "{{(".repeat(20_000),
        format!("{{{{#if {}agent{}}}}}x{{{{/if}}}}", "(not ".repeat(400), ")".repeat(400)),
        "}}".repeat(30_000),
        "{{~".repeat(20_000),
        "{{!--".repeat(12_000),
        "{{else}}".repeat(8_000),
        "{{#if agent}}{{else if agent}}".to_owned()
            + &"{{else if agent}}".repeat(3_000)
            + "{{/if}}",
        "{{../".repeat(13_000) + "x}}",
        format!("{{{{{}agent}}}}", "../".repeat(20_000)),
        format!("{{{{agent{}}}}}", ".a".repeat(30_000)),
        format!("{{{{{}}}}}", "a".repeat(60_000)),
        "x".repeat(70_000),
        "\\{{".repeat(20_000),
    ] {
        let what: String = text.chars().take(24).collect();
        let told = come_of(&what, &[("a.txt.hbs", &text)]);
        assert!(told != "text" || what.starts_with("}}") || what.starts_with('\\'), "{what}");
    }
}

#[test]
fn a_loop_that_writes_without_end_is_stopped() {
    let told = come_of("one loop", &[("a.txt.hbs", "{{#each tasks}}{{headline}}{{/each}}")]);
    assert!(told.contains("text is longer than 256 KiB"), "{told}");
    let two = "{{#each tasks}}{{#each ../tasks}}{{headline}}{{/each}}{{/each}}";
    let told = come_of("two loops", &[("a.txt.hbs", two)]);
    assert!(told.contains("text is longer than 256 KiB"), "{told}");
}

#[test]
fn a_loop_that_works_without_end_and_writes_nothing_is_stopped() {
    for body in ["", "{{#if (eq id -1)}}x{{/if}}", "{{#with headline}}{{/with}}", "{{> _x.hbs}}"] {
        let text = format!(
            "{{{{#each tasks}}}}{{{{#each ../tasks}}}}{{{{#each ../../tasks}}}}{body}{{{{/each}}}}{{{{/each}}}}{{{{/each}}}}"
        );
        let told = come_of(body, &[("a.txt.hbs", &text), ("_x.hbs", "")]);
        assert!(told.contains("too much work"), "{body}: {told}");
    }
}

#[test]
fn what_the_board_says_is_never_read_as_a_template() {
    let hostile = "{{agent}} {{#each tasks}}x{{/each}} {{> _x.hbs}} {{{{raw}}}} \\{{x}}";
    let value: Value = serde_json::from_value(json!({"agent": hostile, "tasks": []})).unwrap();
    assert_eq!(fill_text("{{agent}}", &value).unwrap(), hostile);
    let (templates, _) = Templates::from_texts([("a.txt.hbs", "{{agent}}")]);
    assert_eq!(templates.render("a.txt.hbs", &value, "n").unwrap(), hostile);
}

#[test]
fn texts_of_playbooks_are_bounded_like_templates() {
    let context = context();
    for text in [
        "{{#each tasks}}{{#each ../tasks}}{{#each ../../tasks}}{{/each}}{{/each}}{{/each}}"
            .to_owned(),
        "{{#each tasks}}{{headline}}{{/each}}".to_owned(),
        "{{".repeat(8_000),
        format!("{{{{#if {}agent{}}}}}x{{{{/if}}}}", "(not ".repeat(400), ")".repeat(400)),
        format!("{{{{{}}}}}", "x".repeat(1_000_000)),
        "{{> a.hbs}}".to_owned(),
    ] {
        let what: String = text.chars().take(24).collect();
        let linted = promptly(&what, || lint_text(&text, &["tasks", "agent"]));
        let filled = promptly(&what, || fill_text(&text, &context));
        let error = filled.expect_err(&what).to_string();
        assert!(error.len() < 2_000, "{what}: {error}");
        assert!(linted.is_err() || text.contains("each"), "{what}");
    }
}

#[test]
fn a_template_of_many_faults_is_told_of_some() {
    let mut text = String::new();
    for number in 0..1_500 {
        writeln!(text, "{{{{a{number}}}}}").unwrap();
    }
    come_of("many faults", &[("a.txt.hbs", &text)]);
}
