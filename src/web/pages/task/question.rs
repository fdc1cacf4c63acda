//! What an agent asked about a task: the question with the box for its answer, or who answered it.

use super::{Facts, TEXT_MAX};
use crate::domain::Value;
use crate::web::pages::shown::{Moment, filled, int, is, object, prose, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};

/// The question that waits, or else the last one that was answered.
pub(super) fn shown(visit: &Visit, facts: &Facts, moment: &Moment) -> Markup {
    let Some(question) = object(&facts.why, "question") else { return html! {} };
    let id = int(&facts.task, "id").unwrap_or_default();
    let answered = filled(question, "answered_by");
    html! {
        section aria-labelledby="question" {
            h2 #question { "Question" }
            p.facts {
                @match answered {
                    Some(_) => span.chip.good { "answered" },
                    None => span.chip.wait { "waits for an answer" },
                }
                span { "from " (text(question, "from")) }
                span { "asked " (moment.when(text(question, "since"))) }
                @if let Some(until) = filled(question, "until").filter(|_| answered.is_none()) {
                    span { "waits until " (moment.when(until)) }
                }
                a href={ "/runs/" (text(question, "run")) } { "run" }
                @if answered.is_none() && visit.may("listReviews") {
                    a href={ "/review#item-" (id) } { "review" }
                }
            }
            (prose(text(question, "text")))
            @match answered {
                Some(who) => (answer(question, who, moment)),
                None => (ask(visit, question, id)),
            }
        }
    }
}

fn answer(question: &Value, who: &str, moment: &Moment) -> Markup {
    html! {
        p.facts { span { "answered by " strong { (who) } } (moment.when(text(question, "answered"))) }
        (prose(text(question, "answer")))
        @if is(question, "open") { p.quiet { "The agent goes on with it when its turn comes." } }
    }
}

/// The box for the answer, tied to this question: what was typed for it is not taken over into another.
fn ask(visit: &Visit, question: &Value, id: i64) -> Markup {
    let since = text(question, "since");
    let digits: String = since.chars().filter(char::is_ascii_digit).collect();
    html! {
        @if visit.may("decideReview") {
            form.decide id={ "answer-" (digits) } method="post" action={ "/task/" (id) "/answer" } {
                (visit.seal())
                input type="hidden" name="run" value=(text(question, "run"));
                input type="hidden" name="since" value=(since);
                label for={ "answer-" (digits) "-text" } { "Your answer" }
                textarea id={ "answer-" (digits) "-text" } name="comment" rows="3" maxlength=(TEXT_MAX) required {}
                div.actions { button.primary type="submit" { "Answer" } }
            }
        } @else if visit.may("addComment") {
            p.note { "The next comment of a person is the answer." }
        }
    }
}
