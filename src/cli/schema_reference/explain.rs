//! One key of the experiment format, for `electra-lab explain`.
//!
//! Must never: state what the page does not.

use serde_json::Value;

use super::{Kind, Page, below, description, each_is_a_section, items, kind_of, properties, variants};
use crate::cli::table::paragraph;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::nearest;

/// A key of the format, in one mapping that has it.
struct Key<'s> {
    /// Dotted path from the top of the file.
    path: String,
    name: &'s str,
    /// The `kind` of the mapping, where the key is of some kinds alone.
    kind: Option<&'s str>,
    declared: &'s Value,
    /// The mapping.
    owner: &'s Value,
}

/// What a key means, with type, range, default and example: every key whose path is `word`, or ends with it.
///
/// # Errors
/// No key does; the hint names the nearest.
pub fn explain(schema: &Value, word: &str) -> Result<String> {
    let page = Page::new(schema);
    let mut keys = Vec::new();
    collect(&page, "", schema, &mut Vec::new(), &mut keys);
    let exact: Vec<&Key> = keys.iter().filter(|key| names(&key.path).any(|name| name == word)).collect();
    let ending = format!(".{word}");
    let found = match exact.is_empty() {
        true => keys.iter().filter(|key| key.path.ends_with(&ending)).collect(),
        false => exact,
    };
    if found.is_empty() {
        let candidates = keys.iter().flat_map(|key| names(&key.path).chain([key.name]));
        return Err(Error::new(
            ErrorKind::Spec,
            format!("the experiment format has no key {word}"),
            match nearest(word, candidates) {
                Some(near) => format!("did you mean {near}? `electra-lab schema --markdown` lists all keys"),
                None => "`electra-lab schema --markdown` lists all keys".into(),
            },
        ));
    }
    let mut groups: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for key in found {
        let text = text(&page, key);
        match groups.iter_mut().find(|(path, known, _)| *path == key.path && *known == text) {
            Some((_, _, kinds)) => kinds.extend(key.kind),
            None => groups.push((&key.path, text, key.kind.into_iter().collect())),
        }
    }
    let shown = groups.iter().map(|(path, text, kinds)| match kinds.is_empty() {
        true => format!("{path}\n{text}"),
        false => format!("{path}, where kind is {}\n{text}", kinds.join(", ")),
    });
    Ok(shown.collect::<Vec<_>>().join("\n"))
}

/// The ways to write a path: `base.` may be left out.
fn names(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once(path).chain(path.strip_prefix("base."))
}

/// Every key below a mapping. `above` are the definitions that enclose it: one inside itself is not opened.
fn collect<'s>(
    page: &Page<'s>,
    path: &str,
    node: &'s Value,
    above: &mut Vec<&'s str>,
    found: &mut Vec<Key<'s>>,
) {
    for owner in std::iter::once(node).chain(variants(node)) {
        for (name, declared) in properties(owner) {
            let path = below(path, name);
            found.push(Key { path: path.clone(), name, kind: kind_of(owner), declared, owner });
            let (path, declared) = match (each_is_a_section(declared), items(declared)) {
                (true, _) => (below(&path, "NAME"), &declared["additionalProperties"]),
                (false, Some(items)) => (path, items),
                (false, None) => (path, declared),
            };
            if let Kind::Section(definition, node) = page.kind(declared)
                && !above.contains(&definition)
            {
                above.push(definition);
                collect(page, &path, node, above, found);
                above.pop();
            }
        }
    }
}

/// The lines about a key below its path.
fn text(page: &Page<'_>, key: &Key<'_>) -> String {
    let mut lines = vec![description(key.declared)];
    let type_name = page.type_of(&key.path, key.declared);
    // A section's type is a link of the page.
    let type_name = if type_name.contains("](#") { "section".into() } else { type_name };
    let range = page.range(key.declared);
    let range = if range.is_empty() { String::new() } else { format!(", {range}") };
    let default = page.default(&key.path, key.name, key.declared, key.owner);
    let default = if default.starts_with("required") { default } else { format!("default {default}") };
    lines.push(format!("{type_name}{range}; {default}").replace('`', ""));
    lines.retain(|line| !line.is_empty());
    let listed = key.declared.get("items").unwrap_or(key.declared);
    match page.kind(listed) {
        Kind::Word(_, node) => {
            for word in variants(node).filter(|word| !description(word).is_empty()) {
                let name = word.get("const").and_then(Value::as_str).unwrap_or_default();
                lines.push(format!("- {name}: {}", description(word)));
            }
        }
        Kind::Section(_, node) => {
            for owner in std::iter::once(node).chain(variants(node)) {
                let keys: Vec<&str> = properties(owner).map(|(name, _)| name).collect();
                if !keys.is_empty() {
                    let kind = kind_of(owner).map(|kind| format!(" of kind {kind}")).unwrap_or_default();
                    lines.push(format!("keys{kind}: {}", keys.join(", ")));
                }
            }
        }
        Kind::Plain(_) => {}
    }
    let wrapped = |line: &String| match line.strip_prefix("- ") {
        Some(rest) => paragraph("  - ", 4, rest),
        None => paragraph("  ", 2, line),
    };
    let mut text: String = lines.iter().map(wrapped).collect();
    if let Some(value) = page.example_value(&key.path, key.declared)
        && !key.path.contains("NAME")
    {
        let whole = key.path.rsplit('.').fold(value, |value, name| serde_json::json!({ name: value }));
        if let Ok(example) = serde_yaml::to_string(&whole) {
            text.push('\n');
            text.extend(example.lines().map(|line| format!("    {line}\n")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(word: &str) -> String {
        explain(&crate::experiment::schema(), word).unwrap()
    }

    #[test]
    fn a_key_is_explained_with_type_default_and_example() {
        insta::assert_snapshot!(explained("train.budget"), @r"
        base.train.budget
          What ends pre-training: `steps`, or an `amount` of something else.
          word, steps, rtd_flops, rtd_paper_flops, tokens, flops, paper_flops, seconds;
          default steps
          - steps: After `steps` steps.
          - rtd_flops: After the number of steps that cost as many FLOPs (by the exact
            counter) as `steps` steps of replaced-token detection with the same model
            and batch: equal compute for an objective whose step costs less.
          - rtd_paper_flops: The same, by the paper's counter.
          - tokens: After `amount` tokens, counting batch × longest sequence per step.
          - flops: After `amount` training FLOPs by the exact counter.
          - paper_flops: After `amount` training FLOPs by the paper's counter.
          - seconds: After the number of steps that take `amount` seconds, estimated by
            timing a few steps beforehand. The number depends on the machine and its
            load; a file in the trial's folder keeps it for a resumed trial.

            base:
              train:
                budget: tokens
        ");
        insta::assert_snapshot!(explained("base.objective.disc_weight"), @r"
        base.objective.disc_weight, where kind is rtd, electra_15, adversarial
          Weight of the discriminator's loss (λ of the paper).
          number, 1e-6 to 100000.0; default 50.0

            base:
              objective:
                disc_weight: 50.0

        base.objective.disc_weight, where kind is two_stage
          Weight of the discriminator's loss (λ of the paper) where the second stage is
          `joint`; otherwise it has no effect.
          number, 1e-6 to 100000.0; default 50.0

            base:
              objective:
                disc_weight: 50.0

        base.objective.disc_weight, where kind is electric
          Weight of the energy's loss; the cloze model's has weight 1 (like ELECTRA's λ
          in the released code).
          number, 1e-6 to 100000.0; default 50.0

            base:
              objective:
                disc_weight: 50.0
        ");
    }

    #[test]
    fn a_last_name_is_enough() {
        let text = explained("learning_rate");
        for path in ["base.train.learning_rate\n", "evaluate.finetune.learning_rate\n"] {
            assert!(text.contains(path), "{path} is missing in\n{text}");
        }
        assert!(explained("evaluate.minimal_pairs").contains("keys of kind blimp: kind, repo"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = explain(&crate::experiment::schema(), "mask_prob").unwrap_err();
        assert_eq!(error.message, "the experiment format has no key mask_prob");
        let error = explain(&crate::experiment::schema(), "learning_rat").unwrap_err();
        assert!(error.hint.starts_with("did you mean learning_rate?"), "{}", error.hint);
    }
}
