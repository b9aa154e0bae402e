//! `modelmesh run`: a program with secrets in its environment.

use std::ops::Range;

use modelmesh_secrets::{
    Error, ErrorKind, ExposeSecret as _, SecretString, SecretValue, StoreFailures,
    config::{DEFAULT_STORE, Place, Problem},
    document::{Kind, NodeId},
    printable,
    reference::{PieceText, Reference, scan},
};
use zeroize::Zeroizing;

use super::examination::advise;
use crate::{
    args::{Global, RunArgs},
    context::Context,
    exit::Exit,
    failure::{Failure, Result},
    output::Output,
    process::{Hardened, Patterns, Variables, replace, run_redacted},
};

/// - A mistake anywhere in the configuration is refused: what is wrong may be what was meant for this program.
/// - The references of the program's own variables are resolved, and no others: a provider that it does not
///   use need not be there.
/// - A variable in which a secret is missing, and may be (`fail_on_missing: false`), is unset, whatever this
///   process inherited under its name.
/// - The credentials of every configured store are kept from the program.
pub(super) fn run(args: &RunArgs, global: &Global, hardened: &Hardened, output: &mut Output) -> Result<()> {
    let context = Context::load_for_references(global)?;
    let configuration = context.configuration();
    configuration.require_valid()?;
    let texts = if args.set.is_empty() { of_section(&context, output)? } else { of_options(args)? };
    let answers = ask(&texts, &context)?;
    let variables = fill(&texts, &answers, &args.allow_env, &context)?;
    let [program, rest @ ..] = &args.command[..] else {
        return Err(Failure::usage("there is no program to run"));
    };
    if !args.redact {
        return Err(replace(program, rest, &variables, hardened));
    }
    // Of each value by itself: a program may take it out of the URL that it was given in. What stands beside
    // it came from no store.
    let patterns =
        Patterns::of(answers.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.expose())));
    match run_redacted(program, rest, &variables, &patterns, hardened)? {
        Exit::DONE => Ok(()),
        code => Err(Failure::reported(code)),
    }
}

/// A variable's text, before its references are resolved.
struct Text {
    variable: String,
    parts: Vec<Part>,
    /// Its place in the configuration; none if it is of the command line.
    node: Option<NodeId>,
}

enum Part {
    /// In a secret type: it may be a plaintext key.
    Literal(SecretString),
    Reference(Box<Reference>, Range<usize>),
}

impl Text {
    /// Fails with the first reference in `text` that is none.
    fn parse(variable: &str, text: &str, node: Option<NodeId>) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for piece in scan(text) {
            parts.push(match piece.text {
                PieceText::Literal(literal) => Part::Literal(literal.into()),
                PieceText::Reference(reference) => Part::Reference(reference, piece.span),
                PieceText::Broken(error) => return Err(*error),
            });
        }
        Ok(Text { variable: variable.to_owned(), parts, node })
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference, _) => Some(&**reference),
            Part::Literal(_) => None,
        })
    }
}

/// The texts of the `env:` section.
fn of_section(context: &Context, output: &mut Output) -> Result<Vec<Text>> {
    let configuration = context.configuration();
    if configuration.source().is_none() {
        let error = Error::new(
            ErrorKind::InvalidConfig,
            "there is no configuration file, so the program would get no secret",
        );
        return Err(error
            .with_help("make one with 'modelmesh init', or name variables with --set NAME='${secrets:…}'")
            .into());
    }
    if configuration.env().is_empty() {
        output.warn(
            "the configuration has no 'env:' section, so the program gets no secret",
            Some("add one, or name variables with --set NAME='${secrets:…}'"),
        );
    }
    let Some(document) = configuration.document() else { return Ok(Vec::new()) };
    let texts = configuration.env().iter().map(|variable| {
        let truth;
        let text = match document.kind(variable.node) {
            Kind::Text(text) | Kind::Number(text) => text.expose(),
            Kind::Boolean(value) => {
                truth = if value { "true" } else { "false" };
                truth
            }
            Kind::Null | Kind::Sequence | Kind::Mapping => "",
        };
        Text::parse(&variable.name, text, Some(variable.node))
    });
    Ok(texts.collect::<Result<_, Error>>()?)
}

/// The texts of `--set`. One without a reference is refused: it is far more often a secret's bare name, or the
/// key itself, than a plain text.
fn of_options(args: &RunArgs) -> Result<Vec<Text>> {
    let texts = args.set.iter().map(|assignment| {
        let (variable, text) = assignment.split()?;
        let text = Text::parse(variable, text, None)?;
        if text.references().next().is_none() {
            return Err(Failure::usage(format!(
                "--set {}: there is no reference in its text",
                printable(variable)
            ))
            .with_help(
                "write it in single quotes, as '${secrets:NAME}'; plain text needs no --set: env NAME=TEXT",
            ));
        }
        Ok(text)
    });
    texts.collect()
}

/// A reference, and what its store answered.
type Answer = (Reference, Result<SecretValue, Error>);

/// Resolves the references of `texts`: an answer for each, in their order.
fn ask(texts: &[Text], context: &Context) -> Result<Vec<Answer>> {
    let default = context.selected()?.name;
    let references = texts.iter().flat_map(Text::references).cloned();
    let references: Vec<Reference> = references
        .map(|mut reference| {
            if *default != *DEFAULT_STORE {
                reference.store.get_or_insert_with(|| (&*default).into());
            }
            reference
        })
        .collect();
    if references.is_empty() {
        // Nothing to ask: no runtime is needed either.
        return Ok(Vec::new());
    }
    let values = context.block_on(context.store_set()?.resolver().get_many(&references))?;
    Ok(references.into_iter().zip(values).collect())
}

/// The variables, or everything that is wrong with them.
fn fill(texts: &[Text], answers: &[Answer], allowed: &[String], context: &Context) -> Result<Variables> {
    let configuration = context.configuration();
    let mut variables = context.variables(allowed);
    let mut problems = Vec::new();
    let mut told = StoreFailures::default();
    let mut rest = answers;
    for text in texts {
        let (own, others) = rest.split_at(text.references().count());
        rest = others;
        if let Some(value) = text.fill(own) {
            if let Err(error) = variables.set(&text.variable, value) {
                let place = text.node.and_then(|node| configuration.place_of_value(node));
                problems.push(problem(place, error));
            }
        } else {
            variables.remove(text.variable.as_str());
            problems.extend(text.problems(own, &mut told, context));
        }
    }
    if problems.is_empty() {
        return Ok(variables);
    }
    Err(Box::new(configuration.report(problems)).into())
}

impl Text {
    /// The text with values in place of references; none if one of them has no value.
    fn fill(&self, answers: &[Answer]) -> Option<SecretString> {
        let mut values = answers.iter().map(|(_, answer)| answer.as_ref().ok().map(SecretValue::expose));
        let pieces = self.parts.iter().map(|part| match part {
            Part::Literal(text) => Some(text.expose_secret()),
            Part::Reference(..) => values.next().flatten(),
        });
        let pieces: Vec<&str> = pieces.collect::<Option<_>>()?;
        // As long as its pieces together, so that no copy is left behind by growing.
        Some(Zeroizing::new(pieces.concat()).as_str().into())
    }

    /// Why its references have no value, but for secrets that may be missing.
    fn problems(&self, answers: &[Answer], told: &mut StoreFailures, context: &Context) -> Vec<Problem> {
        let configuration = context.configuration();
        let spans = self.parts.iter().filter_map(|part| match part {
            Part::Reference(_, span) => Some(span),
            Part::Literal(_) => None,
        });
        let failed = spans.zip(answers).filter_map(|(span, (reference, answer))| {
            let error =
                answer.as_ref().err().filter(|error| !configuration.may_be_missing(reference, error))?;
            if !told.is_news(error) {
                return None;
            }
            let place = self.node.and_then(|node| configuration.place_of(node, span.clone()));
            Some(advise(problem(place, error.clone()), context))
        });
        failed.collect()
    }
}

fn problem(place: Option<Place>, error: Error) -> Problem {
    match place {
        Some(place) => Problem::at(place, error),
        None => Problem::elsewhere(error),
    }
}
