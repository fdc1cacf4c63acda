//! Bounds the work of one rendering: loops within loops over long lists take long even where they
//! write nothing.
//!
//! Every `each` gets a first element that counts its rounds. It is put into templates after they
//! were found good, so that no file can name it, and it is no name that people write.

use handlebars::template::{HelperTemplate, TemplateElement};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason,
    Template,
};
use std::cell::Cell;

/// The most rounds of all loops of one rendering, and what helpers write counted with them.
const ROUNDS_MAX: usize = 100_000;
/// So much text made by a helper costs as much as one round, in bytes.
const ROUND_BYTES: usize = 256;

/// What counts: no path that a template can hold, since `lint` refuses it.
const COUNTER: &str = "__round";

thread_local! {
    /// The rounds of the rendering under way on this thread.
    static ROUNDS: Cell<usize> = const { Cell::new(0) };
}

/// A new rendering begins.
pub(super) fn begin() {
    ROUNDS.set(0);
}

/// So many bytes were made.
///
/// # Errors
/// When that is too much work.
pub(super) fn made(bytes: usize) -> Result<(), String> {
    spend(bytes / ROUND_BYTES)
}

fn spend(rounds: usize) -> Result<(), String> {
    let rounds = ROUNDS.get().saturating_add(rounds);
    ROUNDS.set(rounds);
    if rounds > ROUNDS_MAX {
        return Err(format!("too much work: more than {ROUNDS_MAX} rounds of its loops"));
    }
    Ok(())
}

struct Round;

impl HelperDef for Round {
    fn call<'reg: 'rc, 'rc>(
        &self,
        _: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        spend(1).map_err(|error| RenderErrorReason::Other(error).into())
    }
}

/// Makes the counter known.
pub(super) fn register(engine: &mut Handlebars<'static>) {
    engine.register_helper(COUNTER, Box::new(Round));
}

/// The same template, its loops counted.
pub(super) fn counted(mut template: Template) -> Template {
    if let Ok(counter) = Template::compile(&format!("{{{{{COUNTER}}}}}")) {
        count(&mut template, &counter);
    }
    template
}

fn count(template: &mut Template, counter: &Template) {
    for element in &mut template.elements {
        match element {
            TemplateElement::HelperBlock(tag) => count_block(tag, counter),
            TemplateElement::PartialBlock(tag) => {
                if let Some(inner) = &mut tag.template {
                    count(inner, counter);
                }
            }
            _ => {}
        }
    }
}

fn count_block(tag: &mut HelperTemplate, counter: &Template) {
    for inner in [&mut tag.template, &mut tag.inverse].into_iter().flatten() {
        count(inner, counter);
    }
    if tag.name.as_name() == Some("each") {
        let body = tag.template.get_or_insert_default();
        body.elements.splice(0..0, counter.elements.iter().cloned());
        body.mapping.splice(0..0, counter.mapping.iter().cloned());
    }
}
