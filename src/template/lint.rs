//! What is wrong with templates before they are ever rendered.

use super::vocabulary::{self, MEMBERS};
use super::{TEMPLATE_BYTES_MAX, helpers};
use crate::fault::{Fault, Showing, Source, did_you_mean, nearest, shown};
use handlebars::Template;
use handlebars::template::{
    BlockParam, DecoratorTemplate, HelperTemplate, Parameter, TemplateElement,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The deepest nesting of blocks and partials.
const DEPTH_MAX: usize = 24;
/// The deepest nesting of brackets inside one tag.
const BRACKETS_MAX: usize = 12;
/// `each` within `each`.
const LOOPS_MAX: usize = 3;
/// The most elements a template may consist of, partials written out.
const ELEMENTS_MAX: usize = 20_000;

/// The most `else if` of one template.
const CHAINED_MAX: usize = 200;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 2_000;
/// The most faults that are told of one template.
const FINDINGS_MAX: usize = 50;

/// One thing wrong with a template's text.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Where, from 1.
    pub line: usize,
    /// Where in characters, from 1.
    pub column: usize,
    /// What.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

type Texts = BTreeMap<String, Arc<str>>;

/// What a check found.
pub(super) struct Checked {
    /// The names of faulty templates.
    pub bad: BTreeSet<String>,
    /// Their faults.
    pub faults: Vec<Fault>,
    /// Those that could be parsed: done once, it is most of the work.
    pub parsed: Parsed,
}

/// Parsed templates by name.
pub(super) type Parsed = BTreeMap<String, Template>;

/// Checks a set of templates. Faults are shown at `paths`, else at the name.
pub(super) fn check(texts: &Texts, paths: &BTreeMap<&str, String>) -> Checked {
    let mut parsed = Parsed::new();
    let (mut bad, mut faults) = (BTreeSet::new(), Vec::new());
    let fault = |name: &str, finding: Finding| {
        let path = paths.get(name).cloned().unwrap_or_else(|| format!("templates/{name}"));
        let source = Source::new(path, texts.get(name).cloned().unwrap_or_default());
        let span = source.at(finding.line, finding.column);
        let fault = source.fault(span, Showing::Values, finding.message);
        match finding.help {
            Some(help) => fault.with_help(help),
            None => fault,
        }
    };
    for (name, text) in texts {
        match compile(text) {
            Ok(template) => drop(parsed.insert(name.clone(), template)),
            Err(finding) => {
                bad.insert(name.clone());
                faults.push(fault(name, finding));
            }
        }
    }
    for (name, template) in &parsed {
        let walk = Walk::new(&parsed, texts, names_for(name));
        // A partial is looked at where it is used: only there its names are known.
        walk.template(name, template, &Frame::root(!name.starts_with('_')), 0, 0);
        for (place, finding) in walk.findings.into_inner() {
            bad.insert(name.clone());
            bad.insert(place.clone());
            faults.push(fault(&place, finding));
        }
    }
    Checked { bad, faults, parsed }
}

/// Which names a template may speak of, by its own name.
fn names_for(name: &str) -> Option<Vec<&'static str>> {
    // The digest has words of its own, which belong to the room that makes it.
    let free = name.starts_with("digest") || name.starts_with("_digest");
    (!free).then(vocabulary::any_file)
}

/// What a template and its partials name.
#[derive(Clone)]
pub(super) struct Named {
    /// Of the context.
    pub roots: BTreeSet<String>,
    /// The partials themselves.
    pub partials: BTreeSet<String>,
}

/// What each good template names.
pub(super) fn named(texts: &Texts, parsed: &Parsed) -> BTreeMap<String, Named> {
    let of = |name: &str, template: &Template| {
        let walk = Walk::new(parsed, texts, None);
        walk.template(name, template, &Frame::root(true), 0, 0);
        let (roots, partials) = (walk.roots.into_inner(), walk.partials.into_inner());
        (name.to_owned(), Named { roots, partials })
    };
    parsed.iter().map(|(name, template)| of(name, template)).collect()
}

/// Checks a text that may use these names and no partials.
pub(super) fn check_text(text: &str, names: &[&str]) -> Result<Template, Finding> {
    let template = compile(text)?;
    let none = Parsed::new();
    let texts = BTreeMap::from([(String::new(), Arc::from(text))]);
    let walk = Walk::new(&none, &texts, Some(names.to_vec()));
    walk.template("", &template, &Frame::root(true), 0, 0);
    let first = walk.findings.into_inner().into_iter().next();
    first.map_or(Ok(template), |(_, finding)| Err(finding))
}

/// Parses a text that is neither too large nor too deep for the parser.
fn compile(text: &str) -> Result<Template, Finding> {
    let whole =
        |message: &str| Finding { line: 1, column: 1, message: message.to_owned(), help: None };
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(whole("template is larger than 64 KiB"));
    }
    if too_deep(text) {
        return Err(whole("template is nested too deeply, or a tag is longer than 2000 bytes"));
    }
    Template::compile(text).map_err(|error| {
        use handlebars::TemplateErrorReason as R;
        let (line, column) = error.pos().unwrap_or((1, 1));
        let (message, help) = match error.reason() {
            R::MismatchingClosedHelper(open, close)
            | R::MismatchingClosedDecorator(open, close) => {
                (format!("`{}` was opened, but `{}` is closed", shown(open), shown(close)), None)
            }
            R::InvalidSyntax(_) => (
                "template cannot be read".to_owned(),
                Some("is every {{#block}} closed, and every {{ followed by }}?".to_owned()),
            ),
            _ => ("template cannot be read".to_owned(), None),
        };
        Finding { line, column, message, help }
    })
}

/// Whether blocks, or brackets inside a tag, are nested deeper than the parser should be asked for.
fn too_deep(text: &str) -> bool {
    let (mut blocks, mut chained) = (0_usize, 0_usize);
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let tag = &rest[at + 2..];
        let end = tag.find("}}").unwrap_or(tag.len());
        let inside = tag[..end].trim_start_matches(['~', '{']);
        if end > TAG_BYTES_MAX && !inside.starts_with('!') {
            return true;
        }
        match inside.trim_start().as_bytes().first() {
            Some(b'#') => blocks += 1,
            Some(b'/') => blocks = blocks.saturating_sub(1),
            // Each `else if` is a block within the one before.
            Some(b'e') if inside.trim_start().starts_with("else ") => chained += 1,
            _ => {}
        }
        let mut depth = 0_usize;
        for byte in tag[..end].bytes() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > BRACKETS_MAX {
                return true;
            }
        }
        if blocks > DEPTH_MAX || chained > CHAINED_MAX {
            return true;
        }
        rest = &tag[end..];
    }
    false
}

/// What relative paths mean at a place.
#[derive(Clone, Debug)]
struct Frame {
    /// How many blocks with a context of their own are around it.
    inner: usize,
    /// Names of block parameters and of a partial's arguments.
    locals: Vec<String>,
    /// Whether names at the root are known.
    checked: bool,
}

impl Frame {
    fn root(checked: bool) -> Self {
        Self { inner: 0, locals: Vec::new(), checked }
    }
}

struct Walk<'a> {
    parsed: &'a Parsed,
    texts: &'a Texts,
    names: Option<Vec<&'a str>>,
    findings: RefCell<Vec<(String, Finding)>>,
    roots: RefCell<BTreeSet<String>>,
    partials: RefCell<BTreeSet<String>>,
    elements: std::cell::Cell<usize>,
}

/// Where something stands: the template, and the place of the tag.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Walk<'a> {
    fn new(parsed: &'a Parsed, texts: &'a Texts, names: Option<Vec<&'a str>>) -> Self {
        Self {
            parsed,
            texts,
            names,
            findings: RefCell::default(),
            roots: RefCell::default(),
            partials: RefCell::default(),
            elements: std::cell::Cell::new(0),
        }
    }

    fn report(&self, place: Place<'_>, word: &str, message: String, help: Option<String>) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() >= FINDINGS_MAX {
            return;
        }
        // The parser gives the place of the tag; the word stands somewhere behind it.
        let (mut line, mut column) = (place.line, place.column);
        if let Some(text) = self.texts.get(place.name) {
            let source = Source::new(place.name, text.clone());
            let start = source.at(line, column).start;
            if let Some(at) = text[start..].find(word).filter(|_| !word.is_empty()) {
                let before = &text[..start + at];
                line = before.matches('\n').count() + 1;
                column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            }
        }
        // A partial that is used twice is not faulty twice.
        let is_told = findings.iter().any(|(name, told)| {
            name == place.name
                && (told.line, told.column) == (line, column)
                && told.message == message
        });
        if !is_told {
            findings.push((place.name.to_owned(), Finding { line, column, message, help }));
        }
    }

    fn template(&self, name: &str, template: &Template, frame: &Frame, depth: usize, loops: usize) {
        for (index, element) in template.elements.iter().enumerate() {
            let (line, column) =
                template.mapping.get(index).map_or((1, 1), |mapping| (mapping.0, mapping.1));
            let place = Place { name, line, column };
            self.elements.set(self.elements.get() + 1);
            if self.findings.borrow().len() >= FINDINGS_MAX {
                return;
            }
            if self.elements.get() > ELEMENTS_MAX || depth > DEPTH_MAX {
                if self.findings.borrow().is_empty() {
                    let message = "template is too large once its partials are written out";
                    self.report(place, "", message.to_owned(), None);
                }
                return;
            }
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                // The digest escapes its texts itself, before any template sees them.
                TemplateElement::HtmlExpression(tag) if self.names.is_none() => {
                    self.expression(place, tag, frame);
                }
                TemplateElement::HtmlExpression(_) => {
                    let message = "`{{{…}}}` and `{{&…}}` leave escaping out";
                    let help = "write `{{…}}`; the file's name says how it is escaped";
                    self.report(place, "", message.to_owned(), Some(help.to_owned()));
                }
                TemplateElement::Expression(tag) => {
                    self.expression(place, tag, frame);
                }
                TemplateElement::HelperBlock(tag) => self.block(place, tag, frame, depth, loops),
                TemplateElement::PartialExpression(tag) | TemplateElement::PartialBlock(tag) => {
                    self.partial(place, tag, frame, depth, loops);
                }
                // Decorators, and whatever a later version of handlebars may add.
                _ => {
                    let help = "put it into a file of its own, whose name begins with `_`";
                    let message = "templates cannot be defined inside templates";
                    self.report(place, "", message.to_owned(), Some(help.to_owned()));
                }
            }
        }
    }

    /// `{{name}}`, `{{helper …}}` or `(helper …)`.
    fn expression(&self, place: Place<'_>, tag: &HelperTemplate, frame: &Frame) {
        let name = tag.name.as_name().unwrap_or_default();
        let alone = tag.params.is_empty() && tag.hash.is_empty();
        if alone && !helpers::is_inline(name) {
            self.parameter(place, &tag.name, frame);
            return;
        }
        if !helpers::is_inline(name) {
            self.unknown_helper(place, name, "helper");
        }
        self.parameters(place, tag, frame);
    }

    fn unknown_helper(&self, place: Place<'_>, name: &str, kind: &str) {
        let message = format!("unknown {kind} `{}`", shown(name));
        let known: Vec<&str> = match kind {
            "block" => helpers::BLOCKS.to_vec(),
            _ => helpers::INLINE.to_vec(),
        };
        let help = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.report(place, name, message, help);
    }

    fn parameters(&self, place: Place<'_>, tag: &HelperTemplate, frame: &Frame) {
        for parameter in tag.params.iter().chain(tag.hash.values()) {
            self.parameter(place, parameter, frame);
        }
    }

    fn parameter(&self, place: Place<'_>, parameter: &Parameter, frame: &Frame) {
        match parameter {
            Parameter::Literal(_) => {}
            Parameter::Subexpression(inner) => {
                if let TemplateElement::Expression(tag) = inner.as_element() {
                    self.expression(place, tag, frame);
                }
            }
            other => self.path(place, other.as_name().unwrap_or_default(), frame),
        }
    }

    /// A name such as `task.due`, `../now`, `@root.task`, `this`, `@index`.
    fn path(&self, place: Place<'_>, raw: &str, frame: &Frame) {
        let mut rest = raw;
        let mut up = 0;
        let absolute = rest.starts_with("@root");
        if absolute {
            rest = rest.trim_start_matches("@root").trim_start_matches(['.', '/']);
        } else if rest.starts_with('@') {
            return;
        }
        while let Some(after) = rest.strip_prefix("../") {
            up += 1;
            rest = after;
        }
        rest = rest.trim_start_matches("./");
        let here = rest == "this" || rest.starts_with("this.") || rest.starts_with("this/");
        let mut parts = rest.split(['.', '/']).map(|part| part.trim_matches(['[', ']']));
        let Some(first) = parts.next().filter(|part| !part.is_empty()) else { return };
        if up == 0 && !absolute && frame.locals.iter().any(|local| local == first) {
            return;
        }
        let at_root = absolute || up >= frame.inner;
        if !at_root || here || !frame.checked {
            return;
        }
        self.roots.borrow_mut().insert(first.to_owned());
        let Some(names) = &self.names else { return };
        if !names.contains(&first) {
            let message = format!("unknown name `{}`", shown(first));
            let help = did_you_mean(first, names.iter().copied());
            self.report(place, first, message, help);
            return;
        }
        let members = MEMBERS.iter().find(|(name, _)| *name == first).map(|(_, members)| *members);
        if let (Some(members), Some(second)) = (members, parts.next())
            && !second.is_empty()
            && !members.contains(&second)
        {
            let message = format!("`{first}` has no `{}`", shown(second));
            let help = nearest(second, members.iter().copied());
            self.report(place, rest, message, help.map(|near| format!("did you mean `{near}`?")));
        }
    }

    fn block(
        &self,
        place: Place<'_>,
        tag: &HelperTemplate,
        frame: &Frame,
        depth: usize,
        loops: usize,
    ) {
        let name = tag.name.as_name().unwrap_or_default();
        if !helpers::BLOCKS.contains(&name) {
            self.unknown_helper(place, name, "block");
            return;
        }
        self.parameters(place, tag, frame);
        let mut inner = frame.clone();
        let mut loops = loops;
        if name == "each" || name == "with" {
            inner.inner += 1;
            match &tag.block_param {
                Some(BlockParam::Single(one)) => inner.locals.extend(one.as_name().map(Into::into)),
                Some(BlockParam::Pair((one, two))) => {
                    inner.locals.extend(one.as_name().map(Into::into));
                    inner.locals.extend(two.as_name().map(Into::into));
                }
                _ => {}
            }
        }
        if name == "each" {
            loops += 1;
            if loops > LOOPS_MAX {
                let message = format!("more than {LOOPS_MAX} `each` within each other");
                self.report(place, "", message, None);
                return;
            }
        }
        if let Some(template) = &tag.template {
            self.template(place.name, template, &inner, depth + 1, loops);
        }
        // What stands behind `else` is outside of the block's own context.
        if let Some(template) = &tag.inverse {
            self.template(place.name, template, frame, depth + 1, loops);
        }
    }

    fn partial(
        &self,
        place: Place<'_>,
        tag: &DecoratorTemplate,
        frame: &Frame,
        depth: usize,
        loops: usize,
    ) {
        for parameter in tag.params.iter().chain(tag.hash.values()) {
            self.parameter(place, parameter, frame);
        }
        if let Some(template) = &tag.template {
            self.template(place.name, template, frame, depth + 1, loops);
        }
        let name = match &tag.name {
            Parameter::Subexpression(_) => {
                let message = "the name of a partial must be written out";
                self.report(place, "", message.to_owned(), None);
                return;
            }
            other => other.as_name().unwrap_or_default(),
        };
        if name == "@partial-block" {
            return;
        }
        let Some((name, template)) = self.parsed.get_key_value(name) else {
            if !self.texts.contains_key(name) || name.is_empty() {
                let message = format!("unknown partial `{}`", shown(name));
                let help = nearest(name, self.parsed.keys().map(String::as_str));
                let help = help.map(|near| format!("did you mean `{near}`?"));
                self.report(place, name, message, help);
            }
            return;
        };
        self.partials.borrow_mut().insert(name.clone());
        // The walk follows partials; a cycle is one that never ends.
        if depth >= DEPTH_MAX {
            let message = format!("partial `{name}` includes itself, or partials go too deep");
            self.report(place, name, message, None);
            return;
        }
        let mut inner = frame.clone();
        inner.inner = 0;
        // With a context of its own, or inside a block, names are the item's; they are not known.
        if !tag.params.is_empty() || frame.inner > 0 {
            inner.checked = false;
        }
        inner.locals = tag.hash.keys().cloned().collect();
        self.template(name, template, &inner, depth + 1, loops);
    }
}
